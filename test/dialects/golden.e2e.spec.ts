import { describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describeDialect } from './describe-dialect.js';
import { GOLDENS, KINDS, fixturesOf } from './golden.js';

describe('the catalogue of providers', () => {
  it.each(KINDS)('has golden files of %s, and says where they are from', (kind) => {
    const folder = fixturesOf(kind);
    if (folder === undefined)
      throw new Error(`${kind} has no fixtures folder: see docs/dialects.md`);
    const names = readdirSync(folder);
    expect(names).toContain(kind);
    for (const name of names) expect(existsSync(join(folder, name, 'README.md'))).toBe(true);
  });
});

GOLDENS.forEach(describeDialect);
