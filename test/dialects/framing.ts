import { EventStreamCodec } from '@smithy/core/event-streams';
import type { Golden, GoldenEvent } from './golden.js';

/** How a provider puts events into bytes. */
export interface Framing {
  split(bytes: Buffer): GoldenEvent[];
  join(events: readonly GoldenEvent[]): Buffer;
}

const SSE: Framing = {
  split: (bytes) => sseEvents(bytes.toString()),
  join: (events) =>
    Buffer.from(
      events
        .map(
          ({ event, data }) =>
            `${event === undefined ? '' : `event: ${event}\n`}data: ${data.replaceAll('\n', '\ndata: ')}\n\n`,
        )
        .join(''),
    ),
};

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);
const header = (value: string) => ({ type: 'string' as const, value });

/** `application/vnd.amazon.eventstream`: each message says its own length first. */
const AWS: Framing = {
  split: (bytes) => {
    const events: GoldenEvent[] = [];
    for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
      const { headers, body } = codec.decode(bytes.subarray(at, at + bytes.readUInt32BE(at)));
      const name = headers[':event-type']?.value;
      events.push({ event: String(name), data: Buffer.from(body).toString() });
    }
    return events;
  },
  join: (events) => Buffer.concat(events.map(awsMessage)),
};

function awsMessage({ event = '', data }: GoldenEvent): Buffer {
  const failed = event.endsWith('Exception');
  return Buffer.from(
    codec.encode({
      headers: {
        [failed ? ':exception-type' : ':event-type']: header(event),
        ':content-type': header('application/json'),
        ':message-type': header(failed ? 'exception' : 'event'),
      },
      body: Buffer.from(data),
    }),
  );
}

export function framingOf({ streamType }: Golden): Framing {
  return streamType.startsWith('text/event-stream') ? SSE : AWS;
}

/** The events of an SSE text. */
export function sseEvents(text: string): GoldenEvent[] {
  return text
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => !line.startsWith(':')))
    .filter((lines) => lines.some((line) => line.startsWith('data: ')))
    .map((lines) => {
      const event = lines.find((line) => line.startsWith('event: '))?.slice(7);
      const data = lines
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
        .join('\n');
      return event === undefined ? { data } : { event, data };
    });
}
