import { describe, expect, it } from '@jest/globals';
import { SoleProcess, type MachineLink } from '@sluice/cluster';
import { FeatureFlags } from '@sluice/kernel';
import { configFromObjects } from '@sluice/config';
import { DeferredWork, SilentLogger } from '@sluice/observability';
import { ask } from '../../testing/cache-calls.js';
import { RecordingLogger } from '../../testing/logs.js';
import { CacheBindings } from '../cache-bindings.js';
import type { CacheStorage } from '../cache-storage.js';
import type { LookupWatch } from '../lookup-watch.js';
import { CacheWarmer, type WarmQuery } from './cache-warmer.js';
import { PredictiveWarmer } from './predictive-warmer.js';
import { Predictor } from './predictor.js';
import { WarmRunner } from './warm-runner.js';

class FakeRunner extends WarmRunner {
  readonly ran: string[] = [];
  running = 0;
  async run({ prompt }: WarmQuery): Promise<void> {
    this.running++;
    expect(this.running).toBe(1);
    await Promise.resolve();
    this.running--;
    if (prompt === 'bad') throw new Error('upstream is down');
    this.ran.push(prompt);
  }
}
const queries = ['a', 'bad', 'b'].map((prompt) => ({ model: 'auto', prompt }));

function warmerOf(
  warming: object = { queries },
  enabled = true,
  link: MachineLink = new SoleProcess(),
) {
  const config = configFromObjects({ sluice: { cache: { enabled, warming } } });
  const bindings = new CacheBindings();
  const deferred = new DeferredWork(new SilentLogger());
  const watch = { warmed: false, predictor: { promoted: 7 } };
  const logger = new RecordingLogger();
  const warmer = new CacheWarmer(
    config,
    bindings,
    deferred,
    logger,
    watch as unknown as LookupWatch,
    link,
  );
  return { warmer, bindings, deferred, watch, logger, runner: new FakeRunner() };
}

describe('warming the cache', () => {
  it('asks the configured questions one at a time, once, as soon as somebody can ask', async () => {
    const { warmer, bindings, deferred, runner, watch, logger } = warmerOf();
    warmer.onApplicationBootstrap();
    expect(deferred.pending).toBe(0);
    bindings.bind({ warm: runner });
    warmer.onApplicationBootstrap();
    await deferred.drain(1000);
    expect(runner.ran).toEqual(['a', 'b']);
    expect(watch.warmed).toBe(true);
    expect(logger.lines.map(({ message }) => message)).toEqual(['a question could not be warmed']);
  });

  it.each<[string, object, boolean]>([
    ['the cache is off', { queries }, false],
    ['warming at the start is off', { queries, onStartup: false }, true],
    ['there are no questions', {}, true],
  ])('asks nothing at the start when %s', async (_name, warming, enabled) => {
    const { warmer, bindings, deferred, runner } = warmerOf(warming, enabled);
    bindings.bind({ warm: runner });
    warmer.onApplicationBootstrap();
    await deferred.drain(1000);
    expect(runner.ran).toEqual([]);
  });

  it('asks nothing at the start in any but the first worker of a machine', async () => {
    const other = Object.assign(new SoleProcess(), { first: false });
    const { warmer, bindings, deferred, runner } = warmerOf(undefined, true, other);
    bindings.bind({ warm: runner });
    warmer.onApplicationBootstrap();
    await deferred.drain(1000);
    expect(runner.ran).toEqual([]);
  });

  it('asks what an operator names, and tells how many failed', async () => {
    const { warmer, bindings, runner } = warmerOf({});
    expect(await warmer.warm(queries)).toEqual({ warmed: 0, failed: 3 });
    bindings.bind({ warm: runner });
    expect(await warmer.warm(queries)).toEqual({ warmed: 2, failed: 1 });
    expect(await warmer.warm(undefined)).toEqual({ warmed: 0, failed: 0 });
    expect(warmer.promoted).toBe(7);
  });
});

describe('the predictor', () => {
  const walk = (predictor: Predictor, keys: string, pattern = 'p', scope = 's') =>
    Array.from(keys, (key) => predictor.next(pattern, scope, key)).at(-1);

  it('names what followed twice, likeliest first, and at most two', () => {
    const predictor = new Predictor();
    expect(walk(predictor, 'abababacacadad')).toEqual([]);
    expect(walk(predictor, 'a')).toEqual(['b', 'c']);
  });

  it('takes what was seen once, and repeats, for chance', () => {
    const predictor = new Predictor();
    expect(walk(predictor, 'aba')).toEqual([]);
    expect(walk(new Predictor(), 'aaaaaa')).toEqual([]);
  });

  it('keeps patterns apart, and what one scope asks does not follow what another asked', () => {
    const predictor = new Predictor();
    walk(predictor, 'abab');
    expect(walk(predictor, 'a', 'other')).toEqual([]);
    const mixed = new Predictor();
    for (let i = 0; i < 5; i++) {
      mixed.next('p', 'one', 'a');
      mixed.next('p', 'two', 'b');
    }
    expect(mixed.next('p', 'one', 'a')).toEqual([]);
  });

  it('remembers at most eight followers of a key', () => {
    const predictor = new Predictor();
    walk(predictor, 'abab');
    for (const key of 'cdefghijklm') walk(predictor, `a${key}`);
    expect(walk(predictor, 'a')).toEqual(['b']);
  });
});

describe('predictive warming', () => {
  function predictiveOf(env: Record<string, string> = {}, flags?: FeatureFlags) {
    const deferred = new DeferredWork(new SilentLogger());
    const asked: string[] = [];
    const storage = {
      memory: { get: (key: string) => (key === 'hot' ? {} : undefined) },
      fromSecond: (key: string) => {
        asked.push(key);
        return Promise.resolve(key === 'absent' ? undefined : {});
      },
    };
    const warmer = new PredictiveWarmer(
      configFromObjects({ env }),
      storage as unknown as CacheStorage,
      deferred,
      flags,
    );
    const walk = async (...keys: string[]) => {
      for (const key of keys) warmer.asked(ask('hello'), 's', key);
      await deferred.drain(1000);
    };
    return { warmer, walk, asked };
  }

  it('brings what usually comes next into memory, unless it is there', async () => {
    const { warmer, walk, asked } = predictiveOf();
    await walk('a', 'cold', 'a', 'cold', 'x', 'hot', 'x', 'hot');
    await walk('a');
    await walk('x');
    expect(asked).toEqual(['cold']);
    expect(warmer.promoted).toBe(1);
  });

  it('counts only what the second tier had', async () => {
    const { warmer, walk, asked } = predictiveOf();
    await walk('a', 'absent', 'a', 'absent', 'a');
    expect(asked).toEqual(['absent']);
    expect(warmer.promoted).toBe(0);
  });

  it('ends while calls run when its flag is switched off', async () => {
    class Off extends FeatureFlags {
      isOn(flag: string): boolean {
        return flag !== 'predictive_caching';
      }
    }
    for (const { walk, asked } of [
      predictiveOf({}, new Off()),
      predictiveOf({ ENABLE_PREDICTIVE_CACHING: 'false' }),
    ]) {
      await walk('a', 'cold', 'a', 'cold', 'a');
      expect(asked).toEqual([]);
    }
  });
});
