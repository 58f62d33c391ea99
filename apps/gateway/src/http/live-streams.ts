import { Injectable } from '@nestjs/common';
import { GatewayError } from '@sluice/kernel';
import type { SseStream } from './sse.stream.js';

/** The streams being written now, so that shutdown can wait for them and end the rest with an error frame. */
@Injectable()
export class LiveStreams {
  readonly #streams = new Set<SseStream>();
  #idle: (() => void) | undefined;

  get size(): number {
    return this.#streams.size;
  }

  track(stream: SseStream): SseStream {
    this.#streams.add(stream);
    stream.once('close', () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#idle?.();
    });
    return stream;
  }

  /** Waits until all streams have ended, for at most `timeoutMs`; then ends the others with an error frame. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#streams.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      this.#whenIdle(),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeoutMs);
      }),
    ]);
    clearTimeout(timer);
    if (this.#streams.size === 0) return;
    const idle = this.#whenIdle();
    for (const stream of this.#streams) {
      stream.interrupt(new GatewayError('overloaded', 'The gateway is shutting down.'));
    }
    // The frames must reach the sockets; a client that does not read them gets one second.
    await Promise.race([idle, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  }

  #whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle = resolve;
      if (this.#streams.size === 0) resolve();
    });
  }
}
