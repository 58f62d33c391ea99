import type { LimitedShare, Share } from './spend.ledger.js';

/** How much of a counter is held; most often it is the share at the same place. */
export function heldOf(shares: readonly LimitedShare[], counter: string, place: number): number {
  const share =
    shares[place]?.counter === counter
      ? shares[place]
      : shares.find((each) => each.counter === counter);
  return share?.amount ?? 0;
}

/** The tokens of a reservation: what is held of several limits is the same tokens. */
export function tokensOf(shares: readonly LimitedShare[]): number {
  let tokens = 0;
  for (const { counter, amount } of shares) {
    if (counter.includes('|tokens|')) tokens = Math.max(tokens, amount);
  }
  return tokens;
}

/** The whole shares of the counters that are short: what is left of their allowance others may take. */
export function lacking(
  shares: readonly LimitedShare[],
  missing: readonly Share[],
): readonly Share[] {
  const short = new Set(missing.map(({ counter }) => counter));
  return shares.filter(({ counter }) => short.has(counter));
}
