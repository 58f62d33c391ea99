import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import ranks from 'gpt-tokenizer/bpeRanks/o200k_base';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { buildTable, packTable } from './byte-pair.js';
import { PromptCounter } from './prompt.counter.js';
import { turnsOf } from './token-count.worker.js';
import { TokenCounter } from './token.counter.js';
import { estimateTokens } from './token.estimate.js';

const asText = { disallowedSpecial: new Set<string>() };
const counter = new TokenCounter();
afterAll(() => counter.close());
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-table-'));
  const packed = packTable(buildTable(ranks));
  await writeFile(join(folder, 'whole.table'), packed);
  await writeFile(join(folder, 'cut.table'), packed.subarray(0, 1_000_000));
});
afterAll(() => rm(folder, { recursive: true }));
const prose = readFileSync('README.md', 'utf8').concat(readFileSync('package.json', 'utf8'));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('TokenCounter', () => {
  it('counts like the tokenizer itself', async () => {
    const texts = [
      'hello',
      '',
      ' ',
      'Ünïcödé 😀 文字',
      '<|endoftext|>',
      prose,
      'a\n\n\nb',
      '1234567',
    ];
    for (const text of texts) expect(await counter.count(text)).toBe(countTokens(text, asText));
  });
  it('counts like the tokenizer for any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 300 }), async (text) => {
        expect(await counter.count(text)).toBe(countTokens(text, asText));
      }),
      { numRuns: 200 },
    );
  });
  it('counts long texts in turns and still exactly', async () => {
    const long = prose.repeat(Math.ceil(300_000 / prose.length));
    expect(await counter.count(long)).toBe(countTokens(long, asText));
  });
  it('lets short texts pass long ones', async () => {
    const order: string[] = [];
    const long = counter.count(prose.repeat(400)).then(() => order.push('long'));
    const short = counter.count('short and new').then(() => order.push('short'));
    await Promise.all([long, short]);
    expect(order).toEqual(['short', 'long']);
  });
  it('keeps the event loop free while it counts a megabyte and a hostile word', async () => {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last - 2);
      last = performance.now();
    }, 2);
    const word = 'ab'.repeat(200_000);
    const [words] = await Promise.all([
      counter.count(word),
      counter.count(`${prose.repeat(200)}x`),
    ]);
    clearInterval(timer);
    expect(words).toBeGreaterThan(10_000);
    // The machine is shared: a stall of the work itself would be some hundred milliseconds.
    expect(longest).toBeLessThan(250);
  });
  it('remembers counts of long texts and shares those that are being made', async () => {
    const long = 'not counted before '.repeat(1_000);
    expect(counter.countNow(long)).toEqual({ tokens: expect.any(Number), exact: false });
    const [a, b] = await Promise.all([counter.count(long), counter.count(long)]);
    expect(a).toBe(b);
    expect(counter.countNow(long)).toEqual({ tokens: a, exact: true });
    expect(counter.countNow('')).toEqual({ tokens: 0, exact: true });
  });
  it('starts its thread by itself soon after the start', async () => {
    const started = new TokenCounter();
    started.onApplicationBootstrap();
    await until(() => started.countNow('short and new').exact);
    await started.close();
  });
  it('reads the table that the build made, and needs no thread for short texts', async () => {
    const built = new TokenCounter(30_000, new URL(`file://${folder}/whole.table`));
    await built.onModuleInit();
    expect(built.countNow('never seen, yet exact')).toEqual({
      tokens: countTokens('never seen, yet exact', asText),
      exact: true,
    });
    expect(built.hasThread).toBe(false);
    expect(await built.count(prose.repeat(3))).toBe(countTokens(prose.repeat(3), asText));
    expect(built.hasThread).toBe(true);
    await built.close();
  });
  it.each(['cut.table', 'none.table'])('makes a table where the build left %s', async (file) => {
    const built = new TokenCounter(30_000, new URL(`file://${folder}/${file}`));
    await built.onModuleInit();
    expect(built.countNow('never seen').exact).toBe(false);
    expect(await built.count('never seen')).toBe(countTokens('never seen', asText));
    await built.close();
  });
  it('counts short texts on the spot, once the table is there', async () => {
    await counter.warm();
    expect(counter.countNow('never seen, yet exact')).toEqual({
      tokens: countTokens('never seen, yet exact', asText),
      exact: true,
    });
  });
  it('ends its thread when it has nothing to do, and starts one again for the next long text', async () => {
    const resting = new TokenCounter(10);
    await resting.warm();
    await until(() => !resting.hasThread);
    expect(resting.countNow('short').exact).toBe(true);
    expect(await resting.count(prose.repeat(3))).toBe(countTokens(prose.repeat(3), asText));
    await resting.close();
  });
  it('estimates what is open when it is closed, and everything after', async () => {
    const closing = new TokenCounter();
    await closing.warm();
    const open = closing.count('some open text');
    await closing.close();
    expect(await open).toBeGreaterThan(0);
    expect(await closing.count('later text')).toBe(estimateTokens('later text'));
    await closing.onModuleDestroy();
  });
});

describe('turns', () => {
  it('lose nothing', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.nat(400), (text, times) => {
        const long = text.repeat(times);
        expect(turnsOf(long).join('')).toBe(long);
        for (const part of turnsOf(long)) expect(part.length).toBeLessThanOrEqual(16_384);
      }),
    );
  });
});

describe('estimateTokens', () => {
  it.each([
    ['prose', () => prose],
    ['code', () => readFileSync('libs/model-catalog/src/token.counter.ts', 'utf8')],
    ['Chinese', () => '今天的天气非常好，我们一起去公园散步吧。'.repeat(20)],
    [
      'German',
      () => 'Die Geschwindigkeit der Übertragung hängt von der Entfernung ab. '.repeat(20),
    ],
  ])('is near for %s', (_, text) => {
    const exact = countTokens(text());
    expect(estimateTokens(text()) / exact).toBeGreaterThan(0.75);
    expect(estimateTokens(text()) / exact).toBeLessThan(1.35);
  });
});

describe('PromptCounter', () => {
  const prompts = new PromptCounter(counter);
  it('adds what the format adds, tools, schemas and media', async () => {
    const text = (value: string) => ({ type: 'text' as const, text: value });
    const base = await prompts.countPrompt({ messages: [{ role: 'user', parts: [text('hi')] }] });
    expect(base).toBe(3 + 3 + 1);
    const rich = {
      messages: [
        {
          role: 'user' as const,
          name: 'bob',
          parts: [text('hi'), { type: 'image' as const, url: 'https://x/y.png' }],
        },
        {
          role: 'assistant' as const,
          parts: [
            { type: 'tool_call' as const, id: '1', name: 'f', arguments: '{}' },
            { type: 'refusal' as const, text: 'no' },
          ],
        },
        {
          role: 'tool' as const,
          parts: [{ type: 'tool_result' as const, callId: '1', parts: [text('ok')] }],
        },
        {
          role: 'user' as const,
          parts: [
            { type: 'image' as const, data: 'xx', detail: 'low' as const },
            { type: 'audio' as const, data: 'x'.repeat(4000), format: 'wav' },
            { type: 'file' as const, data: 'x'.repeat(500) },
            { type: 'file' as const, fileId: 'f1' },
          ],
        },
      ],
      tools: [{ name: 'f', description: 'does', parameters: { type: 'object' } }],
      responseFormat: { type: 'json_schema' as const, name: 's', schema: { type: 'string' } },
    };
    const counted = await prompts.countPrompt(rich);
    expect(counted).toBeGreaterThan(765 + 85 + 2 + 10 + 2000);
    expect(await prompts.countPrompt(rich)).toBe(counted);
    expect(prompts.countPromptNow(rich)).toEqual({ tokens: counted, exact: true });
  });
});
