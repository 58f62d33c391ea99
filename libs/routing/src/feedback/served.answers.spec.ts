import { describe, expect, it } from '@jest/globals';
import type { Caller } from '@sluice/kernel';
import { ServedAnswers } from './served.answers.js';

const ann: Caller = { tenant: 'acme', id: 'ann', kind: 'key', tier: 'free', scopes: [] };

describe('served answers', () => {
  it('are judged once, by whom they were served to, within their time', () => {
    const served = new ServedAnswers(10, 1_000);
    served.add('a', ann, 0);
    expect(served.judge('a', { ...ann, tenant: 'other' }, 1)).toBeUndefined();
    expect(served.judge('a', { ...ann, id: 'eve' }, 1)).toBeUndefined();
    expect(served.judge('b', ann, 1)).toBeUndefined();
    expect(served.judge('a', ann, 1_001)).toBeUndefined();
    expect(served.judge('a', ann, 1_000)).toBe('noted');
    expect(served.judge('a', ann, 1_000)).toBe('judged');
  });

  it('are known as many as were promised, and not for ever', () => {
    const served = new ServedAnswers(100, 1_000);
    for (let n = 0; n < 250; n += 1) served.add(String(n), ann, 0);
    const known = Array.from({ length: 250 }, (_, n) => served.judge(String(n), ann, 0));
    expect(known.slice(150)).toEqual(Array.from({ length: 100 }, () => 'noted'));
    expect(known.filter((verdict) => verdict === 'noted').length).toBeLessThanOrEqual(200);
  });
});
