// What a caller saves by a hit, seen from outside: a real gateway process, a scripted upstream of known latency.
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway, upstreamConfig } from '../../test/gateway/gateway-process.js';
import { chatCompletion } from '../../test/upstream/openai-fixtures.js';
import { ScriptedUpstream, type RecordedRequest } from '../../test/upstream/scripted-upstream.js';

export interface Saving {
  readonly upstreamMs: number;
  readonly tier: 'hit' | 'semantic';
  readonly calls: number;
  /** Calls that were to hit and missed, because a look-up took longer than it may; they are not timed. */
  readonly missed: number;
  readonly missP50Ms: number;
  readonly hitP50Ms: number;
  readonly hitP95Ms: number;
  /** How much faster a hit is than the miss, at the median of both. */
  readonly faster: number;
}

/** So many questions for each upstream latency. */
const LATENCIES: readonly (readonly [ms: number, questions: number])[] = [
  [50, 60],
  [200, 40],
  [1000, 10],
];
const SYLLABLES = 'ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve xi yo zu'.split(' ');
/** A word that no other number has. */
const name = (n: number): string =>
  [n, n / 20, n / 400, n * 7].map((x) => SYLLABLES[Math.floor(x) % SYLLABLES.length]).join('');
/** Each question once by its words, and once by its meaning. */
const ASKINGS = [
  ['miss', (n: number) => `What does the handbook say about ${name(n)}?`],
  ['hit', (n: number) => `What does the handbook say about ${name(n)}?`],
  ['semantic', (n: number) => `Please, what does the handbook say about ${name(n)}`],
] as const;
type Verdict = (typeof ASKINGS)[number][0];

export async function savings(): Promise<Saving[]> {
  const upstream = await ScriptedUpstream.start();
  const gateway = await startGateway({
    config: upstreamConfig(upstream.url),
    env: { LOG_LEVEL: 'warn', ALLOW_ANONYMOUS: 'true' },
  });
  try {
    const ask = async (text: string, wanted: Verdict): Promise<number | undefined> => {
      const started = performance.now();
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${gateway.adminKey}`,
        },
        body: JSON.stringify({ model: 'gpt-test', messages: [{ role: 'user', content: text }] }),
      });
      const body = await response.text();
      const took = performance.now() - started;
      const verdict = response.headers.get('x-sluice-cache');
      if (response.ok && wanted !== 'miss' && verdict === 'miss') return undefined;
      if (!response.ok || verdict !== wanted)
        throw new Error(`${response.status} ${verdict} for ${wanted}: ${text} ${body}`);
      return took;
    };
    let number = 1000;
    /** Answers are stored behind the callers' backs. */
    const stored = async (): Promise<void> => {
      const headers = { authorization: `Bearer ${gateway.adminKey}` };
      const until = Date.now() + 10_000;
      while (Date.now() < until) {
        const response = await fetch(`${gateway.url}/v1/admin/cache/stats`, { headers });
        const { semantic } = (await response.json()) as { semantic: { entries: number } };
        if (semantic.entries >= number - 1000) return;
        await sleep(20);
      }
      throw new Error('the answers were never stored');
    };
    const round = async (questions: number): Promise<Record<Verdict, number[]>> => {
      const numbers = Array.from({ length: questions }, () => number++);
      const times: Record<Verdict, number[]> = { miss: [], hit: [], semantic: [] };
      for (const [verdict, words] of ASKINGS) {
        if (verdict !== 'miss') await stored();
        for (const n of numbers) {
          const took = await ask(words(n), verdict);
          if (took !== undefined) times[verdict].push(took);
        }
      }
      return times;
    };
    const answering = (delayMs: number) => (request: RecordedRequest) => ({
      json: chatCompletion({ content: `Page ${request.at}: it may. ${'And so on. '.repeat(40)}` }),
      delayMs,
    });
    upstream.always(answering(0));
    // The first calls compile code and open connections.
    await round(100);
    const rows: Saving[] = [];
    for (const [upstreamMs, questions] of LATENCIES) {
      upstream.always(answering(upstreamMs));
      const times = await round(questions);
      const missP50Ms = quantile(times.miss, 0.5);
      for (const tier of ['hit', 'semantic'] as const) {
        const hitP50Ms = quantile(times[tier], 0.5);
        const hitP95Ms = quantile(times[tier], 0.95);
        const faster = 1 - hitP50Ms / missP50Ms;
        const missed = questions - times[tier].length;
        rows.push({
          upstreamMs,
          tier,
          calls: questions,
          missed,
          missP50Ms,
          hitP50Ms,
          hitP95Ms,
          faster,
        });
      }
    }
    return rows;
  } finally {
    await gateway.stop();
    await upstream.close();
  }
}

function quantile(times: readonly number[], q: number): number {
  const sorted = times.toSorted((p, r) => p - r);
  return Math.round((sorted[Math.floor(q * (sorted.length - 1))] ?? 0) * 10) / 10;
}
