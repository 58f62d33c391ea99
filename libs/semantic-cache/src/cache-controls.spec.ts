import { describe, expect, it } from '@jest/globals';
import { DEFAULT_CACHE_CONTROLS, GatewayError } from '@sluice/kernel';
import fc from 'fast-check';
import { parseCacheControls } from './cache-controls.js';

describe('parseCacheControls', () => {
  it('gives the defaults when nothing is said', () => {
    expect(parseCacheControls({ accept: '*/*' })).toBe(DEFAULT_CACHE_CONTROLS);
  });

  it('reads every control', () => {
    expect(
      parseCacheControls({
        'cache-control': 'no-cache, Max-Age="60"',
        'x-sluice-cache': 'REFRESH',
        'x-sluice-cache-ttl': '90',
        'x-sluice-cache-threshold': '.975',
        'x-sluice-cache-namespace': 'team/a-1',
      }),
    ).toEqual({
      mode: 'refresh',
      asked: true,
      noStore: false,
      noCache: true,
      maxAgeSeconds: 60,
      ttlSeconds: 90,
      threshold: 0.975,
      namespace: 'team/a-1',
    });
  });

  it('joins repeated headers and ignores directives it does not know', () => {
    const read = parseCacheControls({ 'cache-control': ['no-store', 'private, stale-if-error=3'] });
    expect(read).toEqual({ mode: 'on', noStore: true, noCache: false });
  });

  it('does not say that the mode was asked for when it was not', () => {
    expect(parseCacheControls({ 'x-sluice-cache-ttl': '5' }).asked).toBeUndefined();
    expect(parseCacheControls({ 'x-sluice-cache': 'on' }).asked).toBe(true);
  });

  it.each([
    ['x-sluice-cache', 'maybe'],
    ['x-sluice-cache', ''],
    ['x-sluice-cache-ttl', '-1'],
    ['x-sluice-cache-ttl', '1.5'],
    ['x-sluice-cache-ttl', 'ten'],
    ['x-sluice-cache-ttl', '31536001'],
    ['x-sluice-cache-threshold', '1.01'],
    ['x-sluice-cache-threshold', '2'],
    ['x-sluice-cache-threshold', '-0.1'],
    ['x-sluice-cache-threshold', 'NaN'],
    ['x-sluice-cache-threshold', '1e-1'],
    ['x-sluice-cache-namespace', ''],
    ['x-sluice-cache-namespace', '*'],
    ['x-sluice-cache-namespace', 'a b'],
    ['x-sluice-cache-namespace', 'x'.repeat(65)],
    ['cache-control', 'max-age=soon'],
    ['cache-control', 'max-age'],
    ['cache-control', 'max-age=1=2'],
    ['cache-control', 'no-cache, max-age=-5'],
  ])('refuses %s: %j and names the header', (header, value) => {
    expect(refusal({ [header]: value })).toMatchObject({ code: 'invalid_request', param: header });
    expect(refusal({ [header]: value })?.message).toContain(header);
  });

  it('takes an age beyond a year for a year: HTTP knows no largest one', () => {
    for (const age of ['31536001', '4294967296', '9'.repeat(400)]) {
      expect(parseCacheControls({ 'cache-control': `max-age=${age}` })).toMatchObject({
        maxAgeSeconds: 31_536_000,
      });
    }
  });

  it('accepts the thresholds 0 and 1', () => {
    expect(parseCacheControls({ 'x-sluice-cache-threshold': '1' }).threshold).toBe(1);
    expect(parseCacheControls({ 'x-sluice-cache-threshold': '0.' }).threshold).toBe(0);
  });

  it('on any text either reads sane values or refuses', () => {
    const header = fc.constantFrom(
      'cache-control',
      'x-sluice-cache',
      'x-sluice-cache-ttl',
      'x-sluice-cache-threshold',
      'x-sluice-cache-namespace',
    );
    fc.assert(
      fc.property(fc.dictionary(header, fc.string()), (headers) => {
        const error = refusal(headers);
        if (error !== undefined) {
          expect(error).toBeInstanceOf(GatewayError);
          return;
        }
        const read = parseCacheControls(headers);
        expect(read.threshold ?? 0).toBeLessThanOrEqual(1);
        expect(Number.isInteger(read.ttlSeconds ?? 0)).toBe(true);
        expect(read.namespace ?? 'a').toMatch(/^[\w./-]{1,64}$/);
      }),
    );
  });
});

function refusal(headers: Record<string, string>): GatewayError | undefined {
  try {
    parseCacheControls(headers);
    return undefined;
  } catch (error) {
    return error as GatewayError;
  }
}
