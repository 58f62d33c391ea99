import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format as prettify } from 'prettier';
import { GatewayError, type ChatCall, type DialectName } from '@sluice/kernel';
import { FEATURES, type Feature } from './features.js';
import type { ProviderAdapter } from '../../libs/providers/src/provider-adapter.js';
import { KINDS, ONE_OF_EACH, type Golden } from './golden.js';
import { GoldenUpstream, sentFor } from './golden-upstream.js';
import { WIRES, callOf } from './world.js';

const PAGE = join(import.meta.dirname, '../../docs/dialects.md');
const INS = WIRES.map((wire) => wire.name);

type Cell =
  | { readonly kind: 'cannot say' }
  | { readonly kind: 'keeps' | 'leaves out' }
  | { readonly kind: 'refuses'; readonly param: string };

/** Every way out: what goes over the wire to a provider of that kind. */
const outs = new Map<Golden, (call: ChatCall) => Promise<unknown>>();
const opened: { server: GoldenUpstream; adapter: ProviderAdapter }[] = [];

async function cell(feature: Feature, from: DialectName, to: Golden): Promise<Cell> {
  const body = feature.says[from];
  if (body === undefined) return { kind: 'cannot say' };
  try {
    const sent = await outs.get(to)!(callOf(from, body));
    return { kind: feature.mark.test(JSON.stringify(sent)) ? 'keeps' : 'leaves out' };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'invalid_request') throw error;
    return { kind: 'refuses', param: error.param ?? '' };
  }
}

const CELLS: { feature: Feature; from: DialectName; to: Golden; found: Cell }[] = [];

beforeAll(async () => {
  for (const to of ONE_OF_EACH) {
    const server = await GoldenUpstream.start(to);
    const adapter = await server.adapter();
    opened.push({ server, adapter });
    outs.set(to, (call) => sentFor(server, adapter, call));
    for (const from of INS) {
      for (const feature of FEATURES)
        CELLS.push({ feature, from, to, found: await cell(feature, from, to) });
    }
  }
});
afterAll(async () => {
  for (const { server, adapter } of opened) {
    await adapter.close();
    await server.close();
  }
});

describe('what each way through the gateway keeps', () => {
  it('covers every dialect at the door and every way out', () => {
    expect(INS).toEqual(
      expect.arrayContaining([
        ...['openai-chat', 'openai-completions', 'openai-responses', 'anthropic', 'sluice'],
      ]),
    );
    expect(ONE_OF_EACH.map(({ kind }) => kind)).toEqual(KINDS);
  });

  it('refuses only with the name of the field that is at fault', () => {
    for (const { found } of CELLS) if (found.kind === 'refuses') expect(found.param).not.toBe('');
  });

  it('never refuses within one dialect, and keeps everything there', () => {
    const same = CELLS.filter(
      ({ from, to, found }) => from === to.dialect && found.kind !== 'cannot say',
    );
    expect(same.length).toBeGreaterThan(30);
    expect(same.filter(({ found }) => found.kind !== 'keeps')).toEqual([]);
  });

  it('drops instead of refusing where the caller allows it, and says what', async () => {
    for (const { feature, from, to, found } of CELLS) {
      if (found.kind !== 'refuses') continue;
      const call = callOf(from, feature.says[from]!, { unsupported: 'drop' });
      await outs.get(to)!(call);
      expect(call.journal.headers['x-sluice-dropped']?.split(', ')).toContain(found.param);
    }
  });

  it('leaves out without a word only what does not change the answer asked for', () => {
    const silent = new Map<string, Set<string>>();
    for (const { feature, to, found } of CELLS) {
      if (found.kind !== 'leaves out') continue;
      silent.set(to.kind, (silent.get(to.kind) ?? new Set()).add(feature.name));
    }
    const hints = [
      'prompt-cache markers',
      'signed reasoning of earlier turns',
      "the end user's id",
    ];
    const sampler = [
      ...['reasoning effort', 'temperature', 'temperature above 1', 'top-p', 'top-k'],
      ...['longest answer', 'seed', 'frequency and presence penalties'],
    ];
    for (const [to, names] of silent) {
      const allowed = to === 'mcp' ? [...hints, ...sampler] : hints;
      expect([...names].filter((name) => !allowed.includes(name))).toEqual([]);
    }
  });

  it('is what docs/dialects.md says (UPDATE_DOCS=1 writes it)', async () => {
    const page = await prettify(render(), { parser: 'markdown', printWidth: 100 });
    if (process.env.UPDATE_DOCS === '1') writeFileSync(PAGE, page);
    expect(readFileSync(PAGE, 'utf8')).toBe(page);
  });
});

function render(): string {
  const tables = INS.map((from) => {
    const rows = FEATURES.filter((feature) => feature.says[from] !== undefined).map((feature) => {
      const cells = CELLS.filter((one) => one.feature === feature && one.from === from);
      return `| ${feature.name} | ${cells.map(({ found }) => show(found)).join(' | ')} |`;
    });
    return [
      `## From \`${from}\``,
      '',
      `| asked for | ${ONE_OF_EACH.map(({ kind }) => `\`${kind}\``).join(' | ')} |`,
      `| --- | ${ONE_OF_EACH.map(() => '---').join(' | ')} |`,
      ...rows,
    ].join('\n');
  });
  return `${INTRODUCTION}\n\n${tables.join('\n\n')}\n`;
}

function show(found: Cell): string {
  if (found.kind === 'refuses') return `refuses \`${found.param}\``;
  return found.kind;
}

const INTRODUCTION = `# Dialects

Every dialect at the door reaches every kind of provider. Where both speak the same dialect the body passes through
byte for byte but for the model's name and, in a stream, the question for usage: unknown fields, white space, digits beyond
2^53 and the order of keys survive, and so they do in the answer and in each frame of a stream (\`test/e2e/byte-exact\`). The
one exception is a body in which a key stands twice: it goes on as it was read here, since readers differ in which of the two
counts. Everywhere else the request is translated through one neutral form.

What a target cannot express is **refused** with \`invalid_request\` naming the field in the caller's own notation,
before any money is spent. A caller who sends \`x-sluice-unsupported: drop\` gets the call made without it, and the
names of the lost fields in the header \`x-sluice-dropped\`.

**Left out** without a word is only what does not change the answer that was asked for: cache markers at providers that
cache by themselves, signed reasoning at a provider that did not sign it, the end user's id, and for tools of MCP
servers the settings of a sampler that they do not have. Claude cannot think where it must call a tool, nor within a budget
where the client could not send back the thoughts of the turn that called the tools: there it answers without, and
\`x-sluice-dropped\` says so.

**Errors** come in the caller's dialect, with the upstream's own wording where it speaks the same one. An upstream's 5xx is
a 502 here (529 stays 529 on Anthropic's routes, a timeout is a 504): SDKs raise the same class and repeat the call as often
as they would directly. \`x-should-retry\` of an upstream is handed on, and a 402 of an upstream, which is the operator's
bill and not the caller's, is told as a 502 that must not be repeated and goes to the next fallback. A 400 or 422 is the caller's and goes nowhere else. The SDK tests in \`test/e2e/sdk-*\` compare both ways.

## Adding a dialect

Towards providers: one folder and one line.

- The folder \`libs/providers/src/dialects/<kind>/\` (HTTP with JSON and server-sent events: a \`ProviderDialect\`, pure
  translation) or \`libs/providers/src/adapters/<kind>/\` (a protocol of its own: a \`ProviderAdapter\`) holds the source
  and, in \`fixtures/<kind>/\`, its golden files: \`golden.json\` (the provider's lines of sluice.yaml), \`request.json\`,
  \`answer.json\`, \`stream.sse\` or \`stream.bin\`, \`expected.json\`, \`stops.json\`, \`errors.json\`, and a README that
  says where they are from. Flavours of one dialect are further folders in \`fixtures/\`.
- The line in \`libs/providers/src/provider.catalogue.ts\` loads it on first use. A \`kind\` that is new also says what
  may stand in sluice.yaml, in \`libs/config/src/sluice.schema.ts\`; the compiler asks for it.

Nothing else knows the list. \`test/dialects\` finds the golden files by the catalogue, fails for a kind that has none,
and runs everything over each: request, answer, stream, stop reasons, usage, errors, cuts at every byte
(\`describeDialect()\`), every door (\`answers\`), damaged answers through the whole engine (\`fuzz\`; \`npm run
fuzz:dialects\` is the long run), and the tables below.

At the door: a \`WireDialect\` in \`libs/chat/src/wire\` and its line in \`wire-catalogue.ts\`.

The tables are written by \`test/dialects/matrix.e2e.spec.ts\` with \`UPDATE_DOCS=1\`, which sends each feature each way
and looks at what goes out.`;
