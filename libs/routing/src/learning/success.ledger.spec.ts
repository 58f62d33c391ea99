import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '@sluice/kernel';
import { SuccessLedger } from './success.ledger.js';

const MINUTE = 60_000;
const settings = { window: 10 * MINUTE, minCalls: 5, failureRate: 0.3, cooldown: 10 * MINUTE };

function setUp() {
  const clock = new ManualClock();
  const upgrades: string[] = [];
  const ledger = new SuccessLedger(
    clock,
    () => settings,
    ({ model, grade }) => upgrades.push(`${model}/${grade}`),
  );
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) ledger.record('m', 'simple', false);
  };
  return { clock, ledger, upgrades, fail };
}

describe('the success ledger', () => {
  it('moves a grade away from a model that fails too often, and only that grade', () => {
    const { ledger, upgrades, fail } = setUp();
    fail(4);
    expect(ledger.isUpgraded('m', 'simple')).toBe(false);
    fail(1);
    expect(ledger.isUpgraded('m', 'simple')).toBe(true);
    expect(ledger.isUpgraded('m', 'complex')).toBe(false);
    expect(upgrades).toEqual(['m/simple']);
  });

  it('lets the model return after the cooldown with a clean sheet', () => {
    const { clock, ledger, fail } = setUp();
    fail(5);
    const before = ledger.version;
    clock.advance(settings.cooldown);
    expect(ledger.isUpgraded('m', 'simple')).toBe(false);
    expect(ledger.version).not.toBe(before);
    fail(4);
    expect(ledger.isUpgraded('m', 'simple')).toBe(false);
  });

  it('doubles the cooldown at a relapse and forgives after a good window', () => {
    const { clock, ledger, fail } = setUp();
    fail(5);
    clock.advance(settings.cooldown);
    fail(5);
    clock.advance(settings.cooldown);
    expect(ledger.isUpgraded('m', 'simple')).toBe(true);
    clock.advance(settings.cooldown);
    expect(ledger.isUpgraded('m', 'simple')).toBe(false);
    clock.advance(settings.window + 1);
    ledger.record('m', 'simple', true);
    fail(5);
    clock.advance(settings.cooldown);
    expect(ledger.isUpgraded('m', 'simple')).toBe(false);
  });

  it('forgets what is older than its window', () => {
    const { clock, ledger, fail } = setUp();
    fail(4);
    clock.advance(settings.window + MINUTE);
    fail(1);
    expect(ledger.isUpgraded('m', 'simple')).toBe(false);
    expect(ledger.states()).toMatchObject([{ model: 'm', grade: 'simple', calls: 1, failures: 1 }]);
  });

  it('believes an unknown model, and data more the more there is', () => {
    const { ledger, fail } = setUp();
    expect(ledger.success('m', 'simple')).toBeCloseTo(0.95);
    fail(1);
    expect(ledger.success('m', 'simple')).toBeLessThan(0.95);
    for (let i = 0; i < 1000; i++) ledger.record('n', 'simple', true);
    expect(ledger.success('n', 'simple')).toBeGreaterThan(0.99);
  });

  it('never upgrades below the failure rate, and its estimate stays a probability', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (outcomes) => {
        const { ledger, upgrades } = setUp();
        let failures = 0;
        let over = false;
        outcomes.forEach((ok, i) => {
          ledger.record('m', 'simple', ok);
          if (!ok) failures++;
          if (i + 1 >= settings.minCalls && failures / (i + 1) >= settings.failureRate) over = true;
        });
        expect(upgrades.length > 0).toBe(over);
        const success = ledger.success('m', 'simple');
        expect(success).toBeGreaterThanOrEqual(0);
        expect(success).toBeLessThanOrEqual(1);
      }),
    );
  });
});
