import { afterAll, describe, expect, it } from '@jest/globals';
import { configFromObjects, type SluiceConfigInput } from '@sluice/config';
import { ManualClock, usage } from '@sluice/kernel';
import { ModelCatalog } from './model.catalog.js';
import { PromptCounter } from './prompt.counter.js';
import { TokenCounter } from './token.counter.js';

const sluice: SluiceConfigInput = {
  providers: [{ id: 'sandbox', kind: 'sandbox' }],
  models: [
    {
      id: 'dated',
      provider: 'sandbox',
      upstream: 'real-name',
      price: [
        { from: '2026-02-01', input: 2, output: 4 },
        { from: '2025-06-01', input: 1, output: 2 },
      ],
    },
    {
      id: 'plain',
      provider: 'sandbox',
      price: { input: 5, output: 6 },
      grade: 'medium',
      capabilities: ['tools'],
    },
    { id: 'free', provider: 'sandbox' },
  ],
};
const tokens = new TokenCounter();
afterAll(() => tokens.close());
function catalog(start = Date.UTC(2026, 0, 1)) {
  const config = configFromObjects({ sluice });
  const clock = new ManualClock(start);
  return {
    config,
    clock,
    catalog: new ModelCatalog(config, clock, tokens, new PromptCounter(tokens)),
  };
}

describe('ModelCatalog', () => {
  it('gives targets in the order of the configuration, by id and with today’s price', () => {
    const { catalog: it } = catalog();
    expect(it.targets.map((t) => t.model)).toEqual(['dated', 'plain', 'free']);
    expect(it.get('dated')).toMatchObject({
      upstream: 'real-name',
      provider: 'sandbox',
      price: { input: 1, output: 2 },
    });
    expect(it.get('plain')).toMatchObject({
      upstream: 'plain',
      grade: 'medium',
      capabilities: ['tools'],
    });
    expect(it.get('free')?.price).toBeUndefined();
    expect(it.get('unknown')).toBeUndefined();
    expect(it.targets).toBe(it.targets);
  });
  it('takes a dated price over at the beginning of its UTC day, while running', () => {
    const { clock, catalog: it } = catalog(Date.UTC(2026, 0, 31, 23, 59, 59));
    expect(it.get('dated')?.price?.input).toBe(1);
    clock.advance(1000);
    expect(it.get('dated')?.price).toEqual({ input: 2, output: 4 });
  });
  it('tells the price of any date', () => {
    const { catalog: it } = catalog();
    expect(it.priceAt('dated', new Date('2025-05-31'))).toBeUndefined();
    expect(it.priceAt('dated', new Date('2025-06-01'))?.input).toBe(1);
    expect(it.priceAt('dated', new Date('2027-01-01'))?.input).toBe(2);
    expect(it.priceAt('plain', new Date(0))?.input).toBe(5);
    expect(it.priceAt('unknown', new Date())).toBeUndefined();
  });
  it('follows the configuration', () => {
    const { config, catalog: it } = catalog();
    expect(it.get('new')).toBeUndefined();
    config.replace({ sluice: { ...sluice, models: [{ id: 'new', provider: 'sandbox' }] } });
    expect(it.targets.map((t) => t.model)).toEqual(['new']);
  });
  it('costs, and counts texts and prompts', async () => {
    const { catalog: it } = catalog();
    expect(it.cost(usage({ input: 2, output: 1 }), it.get('plain')?.price)).toBe(16);
    expect(await it.countTokens('hello world')).toBe(2);
    const prompt = {
      messages: [
        { role: 'user' as const, parts: [{ type: 'text' as const, text: 'hello world' }] },
      ],
    };
    expect(await it.countPrompt(prompt)).toBe(8);
    expect(it.countPromptNow(prompt)).toEqual({ tokens: 8, exact: true });
  });
});
