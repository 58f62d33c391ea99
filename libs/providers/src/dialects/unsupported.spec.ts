import { describe, expect, it } from '@jest/globals';
import { validateHeaderValue } from 'node:http';
import { ChatCall, SYSTEM_CALLER } from '@sluice/kernel';
import { noteDropped, refuseOrDrop } from './unsupported.js';

function callOf(unsupported: 'refuse' | 'drop'): ChatCall {
  return new ChatCall({
    id: 'a',
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'm',
    stream: false,
    body: {},
    signal: new AbortController().signal,
    parse: () => ({ messages: [] }),
    unsupported,
  });
}

function droppedOf(names: readonly string[]): string {
  const call = callOf('drop');
  for (const name of names) noteDropped(call, name);
  return call.journal.headers['x-sluice-dropped'] ?? '';
}

describe('what a target cannot express', () => {
  it('is refused by its name, or dropped where the caller allows it', () => {
    expect(() => refuseOrDrop(callOf('refuse'), 'top_k', 'm')).toThrow(
      "Model 'm' cannot express 'top_k'.",
    );
    const call = callOf('drop');
    refuseOrDrop(call, 'top_k', 'm');
    expect(call.journal.headers).toEqual({ 'x-sluice-dropped': 'top_k' });
  });

  it('is told once for each name', () => {
    expect(droppedOf(['top_k', 'messages[1].content[0]', 'top_k'])).toBe(
      'top_k, messages[1].content[0]',
    );
  });

  it('may have any name: what a header cannot take is escaped', () => {
    const dropped = droppedOf(['a\r\nx-other: 1', 'ключ', 'a,b', '\ud800', '100%']);
    expect(() => validateHeaderValue('x-sluice-dropped', dropped)).not.toThrow();
    expect(dropped.split(', ').map(decodeURIComponent)).toEqual([
      'a\r\nx-other: 1',
      'ключ',
      'a,b',
      '\ufffd',
      '100%',
    ]);
  });

  it('fits a header, however much it is', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `unknown_${i}`);
    const dropped = droppedOf(many);
    expect(dropped.length).toBeLessThan(1100);
    expect(dropped).toMatch(/^unknown_0, unknown_1, .*, \.\.\.$/);
    expect(droppedOf(['x'.repeat(1e6)]).length).toBeLessThan(1100);
  });
});
