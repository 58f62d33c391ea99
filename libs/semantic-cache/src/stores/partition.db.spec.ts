import { beforeEach, describe, expect, it } from '@jest/globals';
import { cosine, Partition } from './partition.js';

const DIMENSION = 16;
let seed = 7;
const random = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
function vector(): Float32Array {
  const v = Float32Array.from({ length: DIMENSION }, () => random() - 0.5);
  const length = Math.hypot(...v);
  return v.map((x) => x / length);
}

let partition: Partition;
let rows: Map<number, Float32Array>;
beforeEach(() => {
  rows = new Map();
  partition = new Partition(DIMENSION, (row) => rows.get(row));
});
const put = (row: number, v = vector()): void => {
  rows.set(row, v);
  partition.add(row, v);
};
const drop = (row: number): void => {
  rows.delete(row);
  partition.remove(row);
};
const renew = (most: number): boolean => partition.renew(most);
/** The share of rows that are found first when asked for by their own vector. */
function found(): number {
  const all = [...rows];
  const hits = all.filter(([row, v]) => partition.search(v, 8)[0] === row);
  return hits.length / all.length;
}

describe('a partition of the index', () => {
  it('finds what is left, and nothing that is gone, after very many have come and gone', () => {
    // usearch's own removal stops taking new vectors after some thousand, and then hangs.
    for (let row = 1; row <= 20_000; row++) {
      put(row);
      if (row > 3000) drop(row - 3000);
      if (partition.isWorn) while (!renew(500));
    }
    expect(partition.size).toBe(3000);
    expect(found()).toBeGreaterThan(0.95);
    const seen = new Set([...rows.values()].flatMap((v) => partition.search(v, 8)));
    expect([...seen].filter((row) => !rows.has(row))).toEqual([]);
  });

  it('compares every vector while they are few: nothing is missed, whatever came and went', () => {
    for (let row = 1; row <= 1500; row++) put(row);
    for (let row = 2; row <= 1500; row += 3) drop(row);
    for (let row = 1; row <= 300; row += 3) put(row);
    expect(partition.size).toBe(rows.size);
    expect(found()).toBe(1);
  });

  it('gives all of a few: their vectors are read with their rows', () => {
    for (let row = 1; row <= 9; row++) put(row);
    drop(3);
    drop(9);
    const seven = [1, 2, 4, 5, 6, 7, 8];
    expect(partition.search(vector(), 8).toSorted((a, b) => a - b)).toEqual(seven);
    partition = new Partition(DIMENSION, (row) => rows.get(row));
    for (const [row, v] of [...rows]) put(row, v);
    expect(partition.bytes).toBe(0);
    expect(partition.search(vector(), 8, 0.99)).toEqual(seven);
    // One of them cannot be read when all are compared for the first time.
    rows.delete(4);
    for (let row = 20; row <= 30; row++) put(row);
    expect(partition.size).toBe(rows.size);
    expect(found()).toBe(1);
  });

  it.each([100, 3000])('gives what is alike enough of %d, and nothing else', (many) => {
    for (let row = 1; row <= many; row++) put(row);
    const asked = vector();
    const alike = (row: number): number => cosine(asked, rows.get(row) ?? asked);
    const given = partition.search(asked, many, 0.5);
    expect(given.length).toBeLessThan(many / 4);
    for (const row of given) expect(alike(row)).toBeGreaterThan(0.4);
    if (many > 1000) return;
    const missed = [...rows.keys()].filter((row) => alike(row) >= 0.5 && !given.includes(row));
    expect(missed).toEqual([]);
  });

  it('looks further when what is nearest is gone', () => {
    for (let row = 1; row <= 3000; row++) put(row);
    const hot = vector();
    const near = () => hot.map((x) => x + (random() - 0.5) / 50);
    for (let time = 0; time < 60; time++) put(500, near());
    expect(partition.size).toBe(3000);
    expect(partition.search(hot, 8)[0]).toBe(500);
    expect(partition.search(hot, 8)).toHaveLength(8);
  });

  it('answers while it is renewed, and takes over what comes and goes meanwhile', () => {
    for (let row = 1; row <= 4000; row++) put(row);
    for (let row = 1; row <= 2200; row++) drop(row);
    expect(partition.isWorn).toBe(true);
    expect(renew(100)).toBe(false);
    for (let row = 2200; row < 2300; row++) put(row);
    for (let row = 2300; row < 2400; row++) drop(row);
    put(2500);
    expect(found()).toBeGreaterThan(0.95);
    while (!renew(100));
    expect(partition.isWorn).toBe(false);
    expect(partition.size).toBe(rows.size);
    expect(found()).toBeGreaterThan(0.95);
  });

  it('leaves out what cannot be read any more', () => {
    for (let row = 1; row <= 3000; row++) put(row);
    for (let row = 1; row <= 600; row++) drop(row);
    rows.delete(700);
    while (!renew(100));
    expect(partition.size).toBe(2399);
  });

  it('gives fewer than were asked for when there are fewer', () => {
    for (const many of [600, 3000]) {
      partition = new Partition(DIMENSION, (row) => rows.get(row));
      rows.clear();
      for (let row = 1; row <= many; row++) put(row);
      for (let row = 1; row <= many - 3; row++) drop(row);
      const left = [many - 2, many - 1, many];
      expect(partition.search(vector(), 8).toSorted((a, b) => a - b)).toEqual(left);
    }
    expect(new Partition(DIMENSION, () => undefined).search(vector(), 8)).toEqual([]);
  });
});
