import { describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format as prettify } from 'prettier';
import { GatewayError, type DialectName } from '@sluice/kernel';
import { FEATURES, type Feature } from './features.js';
import { OUTS, WIRES, callOf } from './world.js';

const PAGE = join(import.meta.dirname, '../../docs/dialects.md');
const INS = WIRES.map((wire) => wire.name);

type Cell =
  | { readonly kind: 'cannot say' }
  | { readonly kind: 'keeps' | 'leaves out' }
  | { readonly kind: 'refuses'; readonly param: string };

function cell(feature: Feature, from: DialectName, to: string): Cell {
  const body = feature.says[from];
  if (body === undefined) return { kind: 'cannot say' };
  try {
    const sent = OUTS[to]!(callOf(from, body));
    return { kind: feature.mark.test(JSON.stringify(sent)) ? 'keeps' : 'leaves out' };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'invalid_request') throw error;
    return { kind: 'refuses', param: error.param ?? '' };
  }
}

const CELLS = INS.flatMap((from) =>
  Object.keys(OUTS).flatMap((to) =>
    FEATURES.map((feature) => ({ feature, from, to, found: cell(feature, from, to) })),
  ),
);

describe('what each way through the gateway keeps', () => {
  it('covers every dialect at the door and every way out', () => {
    expect(INS).toEqual(
      expect.arrayContaining([
        ...['openai-chat', 'openai-completions', 'openai-responses', 'anthropic', 'sluice'],
      ]),
    );
    expect(Object.keys(OUTS)).toEqual(['openai-chat', 'anthropic', 'gemini', 'bedrock', 'mcp']);
  });

  it('refuses only with the name of the field that is at fault', () => {
    for (const { found } of CELLS) if (found.kind === 'refuses') expect(found.param).not.toBe('');
  });

  it('never refuses within one dialect, and keeps everything there', () => {
    const same = CELLS.filter(({ from, to, found }) => from === to && found.kind !== 'cannot say');
    expect(same.length).toBeGreaterThan(30);
    expect(same.filter(({ found }) => found.kind !== 'keeps')).toEqual([]);
  });

  it('drops instead of refusing where the caller allows it, and says what', () => {
    for (const { feature, from, to, found } of CELLS) {
      if (found.kind !== 'refuses') continue;
      const call = callOf(from, feature.says[from]!, { unsupported: 'drop' });
      OUTS[to]!(call);
      expect(call.journal.headers['x-sluice-dropped']?.split(', ')).toContain(found.param);
    }
  });

  it('leaves out without a word only what does not change the answer asked for', () => {
    const silent = new Map<string, Set<string>>();
    for (const { feature, to, found } of CELLS) {
      if (found.kind !== 'leaves out') continue;
      silent.set(to, (silent.get(to) ?? new Set()).add(feature.name));
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
      const cells = Object.keys(OUTS).map((to) => show(cell(feature, from, to)));
      return `| ${feature.name} | ${cells.join(' | ')} |`;
    });
    const head = Object.keys(OUTS);
    return [
      `## From \`${from}\``,
      '',
      `| asked for | ${head.map((name) => `\`${name}\``).join(' | ')} |`,
      `| --- | ${head.map(() => '---').join(' | ')} |`,
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
untouched but for the model's name, unknown fields included, and the upstream's frames come back word for word.
Everywhere else the request is translated through one neutral form.

What a target cannot express is **refused** with \`invalid_request\` naming the field in the caller's own notation,
before any money is spent. A caller who sends \`x-sluice-unsupported: drop\` gets the call made without it, and the
names of the lost fields in the header \`x-sluice-dropped\`.

**Left out** without a word is only what does not change the answer that was asked for: cache markers at providers that
cache by themselves, signed reasoning at a provider that did not sign it, the end user's id, and for tools of MCP
servers the settings of a sampler that they do not have.

A dialect is pure translation: \`libs/chat/src/wire\` at the door, \`libs/providers/src/dialects\` towards providers.
Adding one is a file and a line in its catalogue. The tables below are written by \`test/dialects/matrix.spec.ts\`,
which sends each feature each way and looks at what would go out.`;
