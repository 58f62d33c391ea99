import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HttpFailure } from './http.failure.js';
import { SseParser, type SseEvent } from './sse.parser.js';

function parse(text: string | Buffer, cuts: readonly number[] = []): SseEvent[] {
  const bytes = Buffer.from(text);
  const parser = new SseParser();
  const events: SseEvent[] = [];
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b).concat(bytes.length)) {
    events.push(...parser.push(bytes.subarray(from, cut)));
    from = cut;
  }
  return events;
}
const data = (...texts: string[]): SseEvent[] => texts.map((d) => ({ event: undefined, data: d }));

describe('SseParser', () => {
  it('reads events ended by LF, CR and CRLF', () => {
    expect(parse('data: a\n\ndata: b\r\rdata: c\r\n\r\n')).toEqual(data('a', 'b', 'c'));
  });
  it('joins data lines with a newline and removes one leading space only', () => {
    expect(parse('data:  a\ndata:b\ndata\n\n')).toEqual(data(' a\nb\n'));
  });
  it('reads event names and forgets them after each event', () => {
    expect(parse('event: ping\ndata: {}\n\ndata: x\n\n')).toEqual([
      { event: 'ping', data: '{}' },
      { event: undefined, data: 'x' },
    ]);
  });
  it('ignores comments, ids, retry times, unknown fields and events without data', () => {
    expect(parse(': hi\n\nid: 1\nretry: 5\nfoo: bar\nevent: lone\n\nevent\ndata: x\n\n')).toEqual(
      data('x'),
    );
  });
  it('passes an event whose data is the empty text', () => {
    expect(parse('data:\n\n')).toEqual(data(''));
  });
  it('skips a byte order mark at the start only', () => {
    expect(parse('\ufeffdata: a\n\n\ufeffdata: b\n\ndata: c\n\n')).toEqual(data('a', 'c'));
  });
  it('drops an event that the end of the stream cut', () => {
    expect(parse('data: a\n\ndata: b\n')).toEqual(data('a'));
  });
  it('turns bytes that are not UTF-8 into replacement characters', () => {
    const bytes = Buffer.concat([
      Buffer.from('data: '),
      Buffer.from([0xff, 0xc3]),
      Buffer.from('\n\n'),
    ]);
    expect(parse(bytes)).toEqual(data('\ufffd\ufffd'));
  });

  const line = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }).map((s) => s.replace(/[\r\n]/g, '')),
    fc.constantFrom(
      '',
      '',
      'data',
      'data: x',
      'data:ü€😀',
      ': c',
      'event: e',
      'event:',
      'id: 3',
      '\ufeff',
    ),
    fc.json().map((j) => `data: ${j}`),
  );
  const stream = fc
    .array(fc.tuple(line, fc.constantFrom('\n', '\n', '\r', '\r\n')), { maxLength: 30 })
    .map((lines) => Buffer.from(lines.flat().join('')));

  it('gives the same events wherever the bytes are split', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
        const at = cuts.map((cut) => cut % (bytes.length + 1));
        expect(parse(bytes, at)).toEqual(parse(bytes));
      }),
      { numRuns: 2000 },
    );
  });
  it('gives the same events byte by byte', () => {
    fc.assert(
      fc.property(stream, (bytes) => {
        expect(parse(bytes, [...bytes.keys()])).toEqual(parse(bytes));
      }),
      { numRuns: 500 },
    );
  });
  it('agrees with a line-by-line reading of the standard', () => {
    fc.assert(
      fc.property(stream, (bytes) => {
        expect(parse(bytes)).toEqual(standard(bytes.toString()));
      }),
      { numRuns: 2000 },
    );
  });
  it('never fails on rubbish', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
        const parser = new SseParser();
        for (const chunk of chunks) parser.push(Buffer.from(chunk));
      }),
    );
  });

  it.each([
    ['one buffer', (p: SseParser) => p.push(Buffer.from(`data: ${'x'.repeat(200)}\n`))],
    [
      'many buffers',
      (p: SseParser) => {
        for (let i = 0; i < 50; i++) p.push(Buffer.from('data: xxxx'));
      },
    ],
    [
      'many data lines',
      (p: SseParser) => {
        for (let i = 0; i < 50; i++) p.push(Buffer.from('data: xxxx\n'));
      },
    ],
  ])('refuses a line beyond the cap in %s', (_, feed) => {
    const parser = new SseParser({ maxLineLength: 100 });
    expect(() => feed(parser)).toThrow(HttpFailure);
    expect(() => feed(new SseParser({ maxLineLength: 100 }))).toThrow('longer than 100 characters');
  });
  it('reads a long line in one-byte pieces in linear time', () => {
    const parser = new SseParser();
    const byte = Buffer.from('x');
    const started = performance.now();
    parser.push(Buffer.from('data: '));
    for (let i = 0; i < 200_000; i++) parser.push(byte);
    expect(parser.push(Buffer.from('\n\n'))[0]?.data).toHaveLength(200_000);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

/** The rules of the HTML standard, section 9.2.6, written down word for word. */
function standard(text: string): SseEvent[] {
  const events: SseEvent[] = [];
  let buffer = '';
  let type = '';
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/);
  lines.pop();
  for (const each of lines) {
    if (each === '') {
      if (buffer !== '') {
        events.push({ event: type === '' ? undefined : type, data: buffer.slice(0, -1) });
      }
      buffer = '';
      type = '';
      continue;
    }
    const colon = each.indexOf(':');
    if (colon === 0) continue;
    const field = colon === -1 ? each : each.slice(0, colon);
    const value = colon === -1 ? '' : each.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') buffer += `${value}\n`;
    else if (field === 'event') type = value;
  }
  return events;
}
