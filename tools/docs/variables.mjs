// Every variable of the environment, in the order of the documentation.
import { z } from 'zod';

/** Read by `${NAME}` in the shipped YAML files. */
const IN_YAML = {
  OPENAI_API_KEY: 'Enables the provider `openai`.',
  OPENAI_BASE_URL: 'Another server that speaks the OpenAI API: vLLM, Ollama, Groq, OpenRouter.',
  ANTHROPIC_API_KEY: 'Enables the provider `anthropic`.',
  GEMINI_API_KEY: 'Enables the provider `gemini`.',
  ALERT_WEBHOOK: 'URL that budget alerts are posted to.',
};

/** Read by docker-compose.yml alone. */
const IN_COMPOSE = {
  POSTGRES_PASSWORD: 'Password of the Postgres that docker-compose.yml starts.',
  GRAFANA_PASSWORD: 'Password of the user `admin` of the Grafana that docker-compose.yml starts.',
};

/** Families whose names the operator completes. */
const FAMILIES = {
  'RATE_LIMIT_<TIER>_PER_HOUR': {
    text: 'Requests an hour for a tier, in place of policies.yaml: `RATE_LIMIT_FREE_PER_HOUR=100`.',
    example: 'RATE_LIMIT_FREE_PER_HOUR=100',
  },
  'RATE_LIMIT_<TIER>_BURST_PER_MINUTE': {
    text: 'Requests a minute for a tier, in place of policies.yaml.',
    example: 'RATE_LIMIT_FREE_BURST_PER_MINUTE=20',
  },
  'ENABLE_<NAME>': {
    text: 'Feature flags, on unless set to `false`; also at `/v1/admin/flags`, while running. Names: `async_routing`, `cascade`, `coalescing`, `connection_pooling`, `hedging`, `predictive_caching`, `response_cache`, `semantic_cache`. A flag only forbids: what the YAML switches off stays off.',
    example: 'ENABLE_PREDICTIVE_CACHING=false',
  },
};

const GROUPS = [
  [
    'The gateway',
    [
      'PORT',
      'HOST',
      'SLUICE_CONFIG',
      'SLUICE_POLICIES',
      'SLUICE_DATA_DIR',
      'SLUICE_WORKERS',
      'WORKER_INLINE',
      'WORKER_PORT',
      'SHUTDOWN_DELAY_MS',
      'SHUTDOWN_TIMEOUT_MS',
      'ENABLE_<NAME>',
    ],
  ],
  [
    'Callers',
    [
      'SLUICE_ADMIN_KEY',
      'SLUICE_KEY_PEPPER',
      'JWT_SECRET',
      'JWT_JWKS_URL',
      'JWT_ISSUER',
      'JWT_AUDIENCE',
      'TRUST_PROXY',
      'RATE_LIMIT_<TIER>_PER_HOUR',
      'RATE_LIMIT_<TIER>_BURST_PER_MINUTE',
      'RATE_LIMIT_ALLOWLIST',
    ],
  ],
  [
    'Storage',
    [
      'DATABASE_URL',
      'DATABASE_REPLICA_URL',
      'DATABASE_POOL_MAX',
      'REDIS_URL',
      'QDRANT_URL',
      'QDRANT_API_KEY',
      'CACHE_ENCRYPTION_KEY',
    ],
  ],
  [
    'Providers',
    [
      ...Object.keys(IN_YAML),
      'AWS_REGION',
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_SESSION_TOKEN',
      'AWS_PROFILE',
      'AWS_BEARER_TOKEN_BEDROCK',
      'AWS_WEB_IDENTITY_TOKEN_FILE',
      'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
      'AWS_CONTAINER_CREDENTIALS_FULL_URI',
    ],
  ],
  ['Log and traces', ['LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_SERVICE_NAME']],
  ['Docker Compose', Object.keys(IN_COMPOSE)],
];

/** `[group, [{name, text, fallback, example}]][]`; a variable without a group is put under "More". */
export function variables({ environmentSchema }) {
  const { properties } = z.toJSONSchema(environmentSchema, { io: 'input', unrepresentable: 'any' });
  const describe = (name) => {
    if (name in FAMILIES) return { name, ...FAMILIES[name] };
    if (name in IN_YAML) return { name, text: IN_YAML[name] };
    if (name in IN_COMPOSE) return { name, text: IN_COMPOSE[name] };
    const { description = '', default: fallback, enum: words } = properties[name];
    const choice = words === undefined ? '' : ` One of ${words.join(', ')}.`;
    return { name, text: `${description}${choice}`, fallback };
  };
  const grouped = new Set(GROUPS.flatMap(([, names]) => names));
  const more = Object.keys(properties).filter((name) => !grouped.has(name));
  return [...GROUPS, ['More', more]]
    .filter(([, names]) => names.length > 0)
    .map(([title, names]) => [title, names.map(describe)]);
}
