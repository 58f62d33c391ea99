type Json = Record<string, unknown>;

interface HeaderDoc {
  readonly description: string;
  readonly schema: Json;
}

const text = (description: string, example: string): HeaderDoc => ({
  description,
  schema: { type: 'string', examples: [example] },
});

const ASKED: Readonly<Record<string, HeaderDoc>> = {
  'cache-control': text(
    '`no-cache` skips the look-up and stores the fresh answer, `no-store` does neither, `max-age=N` accepts only younger entries.',
    'no-cache',
  ),
  'x-sluice-cache': {
    description: 'Which caches may serve this call.',
    schema: { type: 'string', enum: ['on', 'exact', 'off', 'refresh'] },
  },
  'x-sluice-cache-ttl': text('How many seconds the answer may be kept.', '600'),
  'x-sluice-cache-threshold': text(
    'Similarity from 0 to 1 that a semantic hit must have; may only raise the configured one.',
    '0.98',
  ),
  'x-sluice-cache-namespace': text('Entries of other namespaces are not looked at.', 'docs'),
  'x-sluice-agent': text('Name of the calling agent, for usage reports.', 'planner'),
  'x-sluice-session': text('Session id, for history and stickiness.', 's-42'),
  'x-sluice-usage': {
    description:
      '`true` puts a `sluice` object with cost, model and cache on a stream’s last usage event.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
  'x-sluice-unsupported': {
    description: 'What becomes of fields that the chosen model cannot express.',
    schema: { type: 'string', enum: ['refuse', 'drop'] },
  },
  'idempotency-key': text('The same key and body within a day get the same answer.', 'order-17'),
};

const ANSWERED: Readonly<Record<string, HeaderDoc>> = {
  'x-request-id': text('Id of the request; also as `request-id`.', '01a2018e-d4d4-7368-9ab2'),
  'x-sluice-cache': {
    description: 'Where the answer came from.',
    schema: { type: 'string', enum: ['hit', 'semantic', 'coalesced', 'miss', 'bypass'] },
  },
  'x-sluice-similarity': text('Of a semantic hit.', '0.9731'),
  age: text('Seconds since a cached answer was made.', '12'),
  'x-sluice-model': text('The model that answered.', 'sandbox-small'),
  'x-sluice-provider': text('Its provider.', 'sandbox'),
  'x-sluice-grade': text('The grade that the router gave the prompt.', 'simple'),
  'x-sluice-cost-usd': text('What the call cost; not on streams.', '0.000029'),
  'x-sluice-overhead-ms': text('Time in the gateway, without the provider’s.', '0.412'),
  'x-sluice-config': text('Version of the configuration that served the call.', '1'),
  'x-ratelimit-limit': text('Requests in the window.', '100'),
  'x-ratelimit-remaining': text('Requests left.', '99'),
  'x-ratelimit-reset': text('Seconds until the window is full again.', '36'),
};

/** Header parameters of routes that call a model. */
export function callParameters(): Json[] {
  return Object.entries(ASKED).map(([name, doc]) => ({
    name,
    in: 'header',
    required: false,
    ...doc,
  }));
}

/** Headers of their answers. */
export function answerHeaderDocs(): Json {
  return { ...ANSWERED };
}
