import { afterEach, describe, expect, it } from '@jest/globals';
import type { SluiceConfigInput } from '@sluice/config';
import { engineBench, type EngineBench } from '../testing/engine.bench.js';
import { HttpFailure } from '@sluice/http-client';
import { upstreamFailure } from './upstream.failure.js';

const open = { kind: 'openai' as const, auth: 'none' as const, baseUrl: 'http://127.0.0.1:1/v1' };
let bench: EngineBench;
afterEach(() => bench.close());
const start = (providers: SluiceConfigInput['providers']): EngineBench =>
  (bench = engineBench({ providers }));

describe('ProviderRegistry', () => {
  it('makes an adapter when it is first used, and one for all', async () => {
    const { registry } = start([{ id: 's', kind: 'sandbox' }]);
    expect(await registry.adapter('s')).toBe(await registry.adapter('s'));
    const lease = await registry.lease('s');
    expect(lease.adapter).toBe(await registry.adapter('s'));
    lease.release();
    lease.release();
  });
  it('disables providers without a key and refuses unknown ones', async () => {
    const { registry } = start([
      { id: 'a', kind: 'openai' },
      { ...open, id: 'b' },
    ]);
    expect(registry.statuses()).toEqual([
      { id: 'a', kind: 'openai', enabled: false },
      { id: 'b', kind: 'openai', enabled: true },
    ]);
    expect(registry.isEnabled('x')).toBe(false);
    await expect(registry.lease('a')).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(registry.adapter('x')).rejects.toMatchObject({ code: 'model_not_found' });
  });
  it('keeps a provider whose lines did not change, and closes a changed one only when nobody uses it', async () => {
    const { registry, config } = start([
      { ...open, id: 'kept' },
      { ...open, id: 'changed' },
    ]);
    const kept = await registry.adapter('kept');
    const lease = await registry.lease('changed');
    let closed = 0;
    lease.adapter.close = () => {
      closed++;
      return Promise.resolve();
    };
    config.replace({
      sluice: {
        providers: [
          { ...open, id: 'kept' },
          { ...open, id: 'changed', maxConcurrent: 2 },
        ],
      },
    });
    expect(await registry.adapter('kept')).toBe(kept);
    expect(await registry.adapter('changed')).not.toBe(lease.adapter);
    expect(closed).toBe(0);
    lease.release();
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(1);
    config.replace({ sluice: { providers: [] } });
    await expect(registry.adapter('kept')).rejects.toMatchObject({ code: 'model_not_found' });
  });
  it('closes everything at the end', async () => {
    const { registry } = start([{ id: 's', kind: 'sandbox' }]);
    const adapter = await registry.adapter('s');
    let closed = 0;
    adapter.close = () => {
      closed++;
      return Promise.resolve();
    };
    await registry.onModuleDestroy();
    expect(closed).toBe(1);
  });
});

describe('upstreamFailure', () => {
  it('tells a failed exchange in the words of the house, without addresses', () => {
    const error = upstreamFailure(
      new HttpFailure('connect', 'cannot connect: ECONNREFUSED 10.0.0.5'),
      'p',
    );
    expect(error).toMatchObject({
      code: 'upstream_error',
      message: 'The upstream cannot be reached.',
      facts: { provider: 'p', kind: 'connect' },
    });
    expect(upstreamFailure(new HttpFailure('timeout', 'x'), 'p').code).toBe('upstream_timeout');
    expect(upstreamFailure(new TypeError('invalid header'), 'p').code).toBe('internal');
    expect(upstreamFailure(error, 'p')).toBe(error);
  });
});
