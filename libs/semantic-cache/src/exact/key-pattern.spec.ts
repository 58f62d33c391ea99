import { describe, expect, it } from '@jest/globals';
import { entryKey } from './request-key.js';
import { keyPattern, type ClearFilter } from './key-pattern.js';

const key = (tenant: string, namespace: string, model: string): string =>
  entryKey({ version: 1, scope: 's', tenant, namespace, model, request: 'r' });
const KEYS = {
  acme: key('acme', 'default', 'gpt-4o'),
  chat: key('acme', 'chat', 'claude-3.5'),
  globex: key('globex', 'default', 'gpt-4o-mini'),
  odd: key('a:b (c)', 'default', 'x+y'),
};

function cleared(filter: ClearFilter): string[] {
  const pattern = new RegExp(keyPattern(filter) ?? '', 'u');
  return Object.entries(KEYS)
    .filter(([, text]) => pattern.test(text))
    .map(([name]) => name);
}

describe('keyPattern', () => {
  it('is undefined for "everything"', () => {
    expect(keyPattern({})).toBeUndefined();
  });

  it.each<[ClearFilter, string[]]>([
    [{ namespace: 'chat' }, ['chat']],
    [{ pattern: 'acme' }, ['acme', 'chat']],
    [{ pattern: 'default' }, ['acme', 'globex', 'odd']],
    [{ pattern: 'gpt-4o' }, ['acme']],
    [{ pattern: 'gpt-*' }, ['acme', 'globex']],
    [{ pattern: 'gpt-4?' }, ['acme']],
    [{ pattern: 'acme:*' }, ['acme', 'chat']],
    [{ pattern: 'acme:chat:claude-3.5' }, ['chat']],
    [{ pattern: 'claude-3x5' }, []],
    [{ pattern: '*' }, ['acme', 'chat', 'globex', 'odd']],
    [{ pattern: 'gpt-*', namespace: 'chat' }, []],
    [{ pattern: 'acme', namespace: 'default' }, ['acme']],
    [{ pattern: 'x+y' }, ['odd']],
    [{ pattern: KEYS.globex }, ['globex']],
    [{ pattern: 'acm' }, []],
  ])('clears by %j exactly %j', (filter, expected) => {
    expect(cleared(filter)).toEqual(expected);
  });

  it('stays fast on a hostile pattern', () => {
    const pattern = new RegExp(keyPattern({ pattern: '*'.repeat(40) + 'z' })!, 'u');
    const started = performance.now();
    expect(pattern.test(key('a'.repeat(200), 'b', 'c'))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
