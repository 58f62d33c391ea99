import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Caller } from '@sluice/kernel';
import fc from 'fast-check';
import { ANN } from '../../testing/cache-calls.js';
import { ScopeNames, scopeSecret } from './scope.js';

const names = new ScopeNames('secret');
const anyCaller: fc.Arbitrary<Caller> = fc.record({
  tenant: fc.string(),
  id: fc.string(),
  kind: fc.constantFrom('key' as const, 'jwt' as const, 'anonymous' as const),
  tier: fc.constantFrom('free', 'premium'),
  scopes: fc.constant([]),
});

describe('ScopeNames', () => {
  it('keeps callers apart who differ in tenant, kind or id', () => {
    fc.assert(
      fc.property(anyCaller, anyCaller, (a, b) => {
        const same = a.tenant === b.tenant && a.kind === b.kind && a.id === b.id;
        expect(names.of(a, 'caller') === names.of(b, 'caller')).toBe(same);
        expect(names.of(a, 'tenant') === names.of(b, 'tenant')).toBe(a.tenant === b.tenant);
        expect(names.of(a, 'global')).toBe(names.of(b, 'global'));
      }),
    );
  });

  it('keeps the three widths apart', () => {
    const wide = (['caller', 'tenant', 'global'] as const).map((scope) => names.of(ANN, scope));
    expect(new Set(wide).size).toBe(3);
  });

  it('parts the tiers of every scope when models are reserved for tiers', () => {
    const premium = { ...ANN, tier: 'premium' };
    expect(names.of(ANN, 'tenant', true)).not.toBe(names.of(premium, 'tenant', true));
    expect(names.of(ANN, 'global', true)).not.toBe(names.of(premium, 'global', true));
    expect(names.of(ANN, 'tenant', false)).toBe(names.of(premium, 'tenant', false));
    expect(names.of(ANN, 'caller', true)).not.toBe(names.of(premium, 'caller', true));
    expect(names.of(ANN, 'caller', false)).toBe(names.of(premium, 'caller', false));
  });

  it('shows neither id nor tenant, and means nothing without the secret', () => {
    expect(names.of(ANN, 'caller')).toMatch(/^[0-9a-f]{32}$/);
    expect(new ScopeNames('other').of(ANN, 'caller')).not.toBe(names.of(ANN, 'caller'));
    expect(new ScopeNames(Buffer.from('secret')).of(ANN, 'caller')).toBe(names.of(ANN, 'caller'));
  });
});

describe('scopeSecret', () => {
  it('comes from the pepper, so that replicas agree', async () => {
    const [a, b] = await Promise.all([scopeSecret('pepper', '/none'), scopeSecret('pepper', '/x')]);
    expect(a).toEqual(b);
  });

  it('without a pepper is made once, kept for the owner alone, and read by all who start at once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sluice-scope-'));
    try {
      const inner = join(dir, 'data');
      const [first, ...others] = await Promise.all(
        Array.from({ length: 8 }, () => scopeSecret(undefined, inner)),
      );
      for (const other of others) expect(other).toEqual(first);
      expect(await scopeSecret(undefined, inner)).toEqual(first);
      expect(await readdir(inner)).toEqual(['cache-scope.key']);
      expect(first).toHaveLength(32);
      expect((await stat(join(inner, 'cache-scope.key'))).mode & 0o777).toBe(0o600);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
