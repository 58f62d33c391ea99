import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** One call that did not get an answer. */
export interface Refusal {
  readonly caller: string;
  readonly at: number;
  readonly status: number;
  readonly code: string;
}

export interface LoadOptions {
  /** Streams at once. */
  readonly lanes: number;
  /** The gateways that may be asked now. */
  readonly urls: () => readonly string[];
  /** API key and name of each caller; lanes are dealt to them in turn. */
  readonly callers: readonly { readonly name: string; readonly key: string }[];
  readonly maxTokens: number;
}

export const PROMPT = 'Write until you are stopped.';

/** Keeps `lanes` streams open until it is told to stop; each call bears a tag that the upstream's ledger repeats. */
export class Load {
  /** When each tagged call was sent. */
  readonly sentAt = new Map<string, number>();
  readonly refusals: Refusal[] = [];
  completed = 0;
  /** Ended without an answer or an end, as their gateway died. */
  broken = 0;
  /** Found nobody listening. */
  unreachable = 0;
  /** Streams that ended with an error event. */
  failed = 0;
  open = 0;
  peak = 0;
  #serial = 0;
  #stopped = false;
  readonly #agent = new Agent({ connections: null, connect: { timeout: 30_000 } });
  readonly #running: Promise<void>[];

  constructor(private readonly options: LoadOptions) {
    this.#running = Array.from({ length: options.lanes }, (_, lane) => this.#lane(lane));
  }

  /** No new calls; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    await this.#agent.destroy();
  }

  async #lane(lane: number): Promise<void> {
    const caller = this.options.callers[lane % this.options.callers.length];
    if (caller === undefined) return;
    while (!this.#stopped) {
      const urls = this.options.urls();
      const url = urls[this.#serial % urls.length];
      if (url === undefined) {
        await sleep(50);
        continue;
      }
      const tag = `${caller.name}/${this.#serial++}`;
      this.sentAt.set(tag, performance.now());
      this.peak = Math.max(this.peak, ++this.open);
      try {
        await this.#one(url, caller.key, tag);
      } catch (error) {
        if ((error as { code?: string }).code === 'ECONNREFUSED') this.unreachable++;
        else this.broken++;
        await sleep(50);
      }
      this.open--;
    }
  }

  async #one(url: string, key: string, tag: string): Promise<void> {
    const { statusCode, headers, body } = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher: this.#agent,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'x-sluice-cache': 'off',
      },
      headersTimeout: 120_000,
      bodyTimeout: 120_000,
      body: JSON.stringify({
        model: 'chaos',
        stream: true,
        user: tag,
        max_tokens: this.options.maxTokens,
        messages: [{ role: 'user', content: PROMPT }],
      }),
    });
    if (statusCode === 200) {
      let end = '';
      for await (const piece of body) end = (end + String(piece)).slice(-500);
      if (end.includes('[DONE]')) this.completed++;
      else if (end.includes('"error"')) this.failed++;
      else this.broken++;
      return;
    }
    const at = performance.now();
    const { error } = (await body.json()) as { error: { code: string } };
    const caller = tag.slice(0, tag.indexOf('/'));
    this.refusals.push({ caller, at, status: statusCode, code: error.code });
    // As told, but for those who are told not to come back: they are the test's own and come back.
    const seconds = Number(headers['retry-after'] ?? 1);
    await sleep(Math.min(seconds, 2) * 1000 * (0.5 + Math.random()));
  }
}
