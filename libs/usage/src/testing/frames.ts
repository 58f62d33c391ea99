import { FrameBuffer } from '../spool/frame.codec.js';

/** What a segment holds after these payloads were written. */
export function encodeFrames(payloads: readonly string[]): Buffer {
  const frames = new FrameBuffer();
  for (const payload of payloads) frames.add(payload);
  return frames.bytes;
}
