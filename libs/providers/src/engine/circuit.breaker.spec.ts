import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '@sluice/kernel';
import { CircuitBreaker, type HealthOutcome } from './circuit.breaker.js';

const options = {
  window: 30_000,
  minCalls: 10,
  failureRate: 0.5,
  reset: 30_000,
  maxReset: 100_000,
};
function setup() {
  const clock = new ManualClock();
  const breaker = new CircuitBreaker(clock, () => options);
  const call = (outcome: HealthOutcome): boolean => {
    const permit = breaker.enter();
    permit?.end(outcome);
    return permit !== undefined;
  };
  const open = (): void => {
    while (breaker.state === 'closed') call('failure');
  };
  return { clock, breaker, call, open };
}

describe('CircuitBreaker', () => {
  it('opens when half of at least ten recent calls failed', () => {
    const { breaker, call } = setup();
    for (let i = 0; i < 5; i++) call('success');
    for (let i = 0; i < 4; i++) call('failure');
    expect(breaker.state).toBe('closed');
    call('failure');
    expect(breaker.state).toBe('open');
    expect(call('success')).toBe(false);
    expect(breaker.waitMs).toBe(30_000);
  });
  it('does not open for few calls, for neutral ones, or for failures that left the window', () => {
    const { clock, breaker, call } = setup();
    for (let i = 0; i < 9; i++) call('failure');
    expect(breaker.recent).toEqual({ calls: 9, successRate: 0 });
    for (let i = 0; i < 50; i++) call('neutral');
    clock.advance(31_000);
    expect(breaker.recent).toEqual({ calls: 0, successRate: 1 });
    for (let i = 0; i < 9; i++) call('failure');
    expect(breaker.state).toBe('closed');
  });
  it('forgets second by second', () => {
    const { clock, breaker, call } = setup();
    for (let i = 0; i < 8; i++) {
      call('failure');
      clock.advance(5_000);
    }
    expect(breaker.recent.calls).toBeLessThanOrEqual(6);
    expect(breaker.state).toBe('closed');
  });
  it('lets one probe through after the reset and closes when it succeeds', () => {
    const { clock, breaker, call, open } = setup();
    open();
    clock.advance(29_999);
    expect(breaker.enter()).toBeUndefined();
    clock.advance(1);
    expect(breaker.state).toBe('half-open');
    const probe = breaker.enter();
    expect(probe).toBeDefined();
    expect(breaker.enter()).toBeUndefined();
    expect(breaker.waitMs).toBeGreaterThan(0);
    probe?.end('success');
    expect(breaker.state).toBe('closed');
    expect(breaker.waitMs).toBe(0);
    expect(call('success')).toBe(true);
    expect(breaker.recent).toEqual({ calls: 1, successRate: 1 });
  });
  it('doubles the reset with each failed probe, up to the cap', () => {
    const { clock, breaker, call, open } = setup();
    open();
    for (const wait of [30_000, 60_000, 100_000, 100_000]) {
      expect(breaker.waitMs).toBe(wait);
      clock.advance(wait);
      expect(call('failure')).toBe(true);
      expect(breaker.state).toBe('open');
    }
    clock.advance(100_000);
    call('success');
    open();
    expect(breaker.waitMs).toBe(30_000);
  });
  it('gives the place of a probe that says nothing to the next call', () => {
    const { clock, breaker, open } = setup();
    open();
    clock.advance(30_000);
    breaker.enter()?.end('neutral');
    expect(breaker.state).toBe('half-open');
    expect(breaker.enter()).toBeDefined();
  });
  it('does not let calls from before it opened speak for the probe', () => {
    const { clock, breaker, open } = setup();
    const old = breaker.enter();
    open();
    clock.advance(30_000);
    const probe = breaker.enter();
    old?.end('success');
    expect(breaker.state).toBe('half-open');
    probe?.end('failure');
    expect(breaker.state).toBe('open');
  });
  it('counts the first telling of a permit alone', () => {
    const { breaker } = setup();
    const permit = breaker.enter();
    permit?.end('success');
    permit?.end('failure');
    expect(breaker.recent).toEqual({ calls: 1, successRate: 1 });
  });
  it('never lets a second call through while a probe is out, in any order of events', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('enter' as const) }),
      fc.record({
        kind: fc.constant('end' as const),
        at: fc.nat(),
        outcome: fc.constantFrom<HealthOutcome>('success', 'failure', 'neutral'),
      }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(70_000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { clock, breaker, open } = setup();
        open();
        const out: { end(outcome: HealthOutcome): void; probe: boolean }[] = [];
        for (const each of steps) {
          if (each.kind === 'wait') clock.advance(each.ms);
          else if (each.kind === 'enter') {
            const before = breaker.state;
            const permit = breaker.enter();
            if (permit === undefined) continue;
            expect(before === 'open').toBe(false);
            if (before === 'half-open') expect(out.some((o) => o.probe)).toBe(false);
            out.push({ end: (o) => permit.end(o), probe: before === 'half-open' });
          } else {
            const [permit] = out.splice(each.at % Math.max(1, out.length), 1);
            permit?.end(each.outcome);
          }
        }
      }),
    );
  });
});
