import { describe, expect, it } from '@jest/globals';
import { configFromObjects } from '@sluice/config';
import { FeatureFlags } from '@sluice/kernel';
import { chatCall } from '../../testing/engine.bench.js';
import { EngineSettings } from './engine.settings.js';

class AllBut extends FeatureFlags {
  constructor(private readonly off: string) {
    super();
  }
  isOn(flag: string): boolean {
    return flag !== this.off;
  }
}

function settings(hedging: { enabled: boolean; after: string }, flags?: FeatureFlags) {
  const sluice = {
    providers: [{ id: 'p', kind: 'sandbox' as const }],
    models: [],
    routing: { hedging },
  };
  return new EngineSettings(configFromObjects({ sluice }), flags);
}

describe('hedging', () => {
  it('is on only when the configuration asks for it and its flag allows it', () => {
    const asked = { enabled: true, after: '40ms' };
    expect(settings(asked).hedgeAfterMs(chatCall())).toBe(40);
    expect(settings(asked, new AllBut('hedging')).hedgeAfterMs(chatCall())).toBeUndefined();
    expect(settings(asked, new AllBut('other')).hedgeAfterMs(chatCall())).toBe(40);
    const unasked = { enabled: false, after: '40ms' };
    expect(settings(unasked, new AllBut('other')).hedgeAfterMs(chatCall())).toBeUndefined();
  });
});
