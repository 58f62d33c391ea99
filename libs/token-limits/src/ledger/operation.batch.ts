import type { RedisArgument } from '@sluice/redis';
import type {
  LimitedShare,
  ReservationState,
  ReserveAnswer,
  Share,
  Standing,
} from './spend.ledger.js';

export type Settled = readonly Standing[];

/** Reads one operation's answer; `names` gives the counter of each place. */
type Reader = (answer: Buffer, names: readonly string[]) => void;

/** Several reservations, top-ups and settlements on their way to one step of `spend.lua`, which says how they are packed. */
export class OperationBatch {
  readonly keys: string[] = [];
  readonly #places = new Map<string, number>();
  readonly #operations: Buffer[] = [];
  readonly #readers: Reader[] = [];
  readonly #rejects: ((error: unknown) => void)[] = [];

  get size(): number {
    return this.keys.length;
  }

  /** A new reservation when it has a lease; more for a held one when not. */
  hold(key: string, shares: readonly LimitedShare[], leaseMs?: number): Promise<ReserveAnswer> {
    const head = leaseMs === undefined ? 1 : 9;
    const packed = Buffer.allocUnsafe(head + 2 + 18 * shares.length);
    packed.write(leaseMs === undefined ? 'm' : 'n', 'latin1');
    if (leaseMs !== undefined) packed.writeDoubleLE(leaseMs, 1);
    let at = packed.writeUInt16LE(shares.length, head);
    for (const { counter, amount, limit } of shares) {
      at = packed.writeUInt16LE(this.#place(counter), at);
      at = packed.writeDoubleLE(amount, at);
      at = packed.writeDoubleLE(limit, at);
    }
    return this.#add(key, packed, (answer, names) => reservationOf(answer, shares, names));
  }

  settle(key: string, actual: readonly Share[], lost: readonly Share[]): Promise<Settled> {
    const packed = Buffer.allocUnsafe(5 + 10 * (actual.length + lost.length));
    packed.write('s', 'latin1');
    packed.writeUInt16LE(actual.length, 1);
    let at = packed.writeUInt16LE(lost.length, 3);
    for (const shares of [actual, lost]) {
      for (const { counter, amount } of shares) {
        at = packed.writeUInt16LE(this.#place(counter), at);
        at = packed.writeDoubleLE(amount, at);
      }
    }
    return this.#add(key, packed, settledOf);
  }

  /** What follows the head of the script's arguments. */
  args(): RedisArgument[] {
    return [String(this.#places.size), ...this.#places.keys(), ...this.#operations];
  }

  resolve(reply: readonly Buffer[]): void {
    const names = [...this.#places.keys(), ...reply.slice(this.size).map(String)];
    this.#readers.forEach((read, i) => {
      read(reply[i] ?? Buffer.alloc(0), names);
    });
  }

  reject(error: unknown): void {
    for (const reject of this.#rejects) reject(error);
  }

  #add<T>(
    key: string,
    packed: Buffer,
    read: (answer: Buffer, names: readonly string[]) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.keys.push(key);
      this.#operations.push(packed);
      this.#readers.push((answer, names) => {
        resolve(read(answer, names));
      });
      this.#rejects.push(reject);
    });
  }

  /** Counted from one, as Lua does. */
  #place(counter: string): number {
    let place = this.#places.get(counter);
    if (place === undefined) this.#places.set(counter, (place = this.#places.size + 1));
    return place;
  }
}

const STATES: Readonly<Record<string, ReservationState>> = {
  held: 'held',
  settled: 'settled',
  expired: 'expired',
};

function reservationOf(
  answer: Buffer,
  shares: readonly Share[],
  names: readonly string[],
): ReserveAnswer {
  const kind = answer.toString('latin1', 0, 1);
  if (kind === 'h') {
    const standings = shares.map(({ counter }, i) => standingAt(answer, 1 + 24 * i, counter));
    return { kind: 'held', standings };
  }
  if (kind === 'k') {
    return { kind: 'known', state: STATES[answer.toString('latin1', 1)] ?? 'expired' };
  }
  const named = (at: number) => names[answer.readUInt16LE(at) - 1] ?? '';
  if (kind === 'r') {
    const by = answer.toString('latin1', 3, 4) === 's' ? 'spent' : 'held';
    return { kind: 'refused', counter: named(1), by, headroom: answer.readDoubleLE(4) };
  }
  const missing: Share[] = [];
  for (let at = 1; at < answer.length; at += 10) {
    missing.push({ counter: named(at), amount: answer.readDoubleLE(at + 2) });
  }
  return { kind: 'short', missing };
}

function settledOf(answer: Buffer, names: readonly string[]): Settled {
  const standings: Standing[] = [];
  for (let at = 1; at < answer.length; at += 26) {
    standings.push(standingAt(answer, at + 2, names[answer.readUInt16LE(at) - 1] ?? ''));
  }
  return standings;
}

function standingAt(packed: Buffer, at: number, counter: string): Standing {
  return {
    counter,
    spent: packed.readDoubleLE(at),
    held: packed.readDoubleLE(at + 8),
    slack: packed.readDoubleLE(at + 16),
  };
}
