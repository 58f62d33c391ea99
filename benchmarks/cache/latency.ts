import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StaticConfigStore } from '@sluice/config';
import { ChatCall, NO_USAGE, SYSTEM_CALLER, SystemClock } from '@sluice/kernel';
import { SilentLogger } from '@sluice/observability';
import { answerFromText, answerToText } from '../../libs/semantic-cache/src/exact/cached-answer.js';
import { MemoryTier } from '../../libs/semantic-cache/src/exact/memory-tier.js';
import { entryKey, exactKeyOf } from '../../libs/semantic-cache/src/exact/request-key.js';
import { SecondTier } from '../../libs/semantic-cache/src/exact/second-tier.js';
import { ValueCodec } from '../../libs/semantic-cache/src/exact/value-codec.js';
import { LexicalEmbedder } from '../../libs/semantic-cache/src/embedders/lexical.embedder.js';
import { SemanticTier } from '../../libs/semantic-cache/src/semantic/semantic-tier.js';
import type { Question } from '../../libs/semantic-cache/src/semantic/question.js';
import { EmbeddedVectorStore } from '../../libs/semantic-cache/src/stores/embedded.vector-store.js';
import { SqliteKeyvStore } from '../../libs/semantic-cache/src/stores/sqlite-keyv.store.js';
import { seeded } from './data.js';

export interface Latency {
  readonly entries: number;
  readonly lookups: number;
  readonly hits: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const clock = new SystemClock();
const TTL = 3_600_000;
/** Longer than any look-up may take in the gateway: what is slower must show here, not vanish as a miss. */
const PATIENCE = 5000;
/** Entries of the second tier stored at a time. */
const BATCH = 64;

function callOf(text: string): ChatCall {
  return new ChatCall({
    id: 'benchmark',
    caller: SYSTEM_CALLER,
    dialect: 'openai-chat',
    model: 'auto',
    stream: false,
    body: {
      model: 'auto',
      temperature: 0,
      messages: [
        { role: 'system', content: 'You answer questions of a bank’s customers.' },
        { role: 'user', content: text },
      ],
    },
    signal: new AbortController().signal,
    parse: () => ({ messages: [{ role: 'user', parts: [{ type: 'text', text }] }] }),
  });
}

function keyOf(call: ChatCall): string {
  return entryKey({
    version: 1,
    scope: 'benchmark',
    tenant: 'default',
    namespace: 'default',
    model: call.model,
    request: exactKeyOf(call),
  });
}

function answerTo(text: string) {
  return {
    message: {
      id: 'benchmark',
      model: 'sandbox-small',
      created: 0,
      choices: [
        {
          index: 0,
          parts: [{ type: 'text' as const, text: `About “${text}”: ${'a line. '.repeat(60)}` }],
          finish: 'stop' as const,
        },
      ],
      usage: NO_USAGE,
    },
    costMicroUsd: 100,
    storedAt: clock.now(),
    expiresAt: clock.now() + TTL,
  };
}

async function timed(
  entries: number,
  lookups: number,
  look: (n: number) => boolean | Promise<boolean>,
): Promise<Latency> {
  const times: number[] = [];
  let hits = 0;
  for (let n = 0; n < lookups * 1.2; n++) {
    const started = performance.now();
    const hit = await look(n);
    // The first sixth warms up.
    if (n < lookups * 0.2) continue;
    times.push((performance.now() - started) * 1000);
    if (hit) hits++;
  }
  times.sort((p, q) => p - q);
  const at = (q: number) => Math.round((times[Math.floor(q * (times.length - 1))] ?? 0) * 10) / 10;
  return { entries, lookups: times.length, hits, p50Us: at(0.5), p99Us: at(0.99) };
}

/** Key and memory: everything an exact hit costs before the answer is written out. */
export function memory(texts: readonly string[], lookups: number): Promise<Latency> {
  const held = texts.slice(0, 10_000);
  const tier = new MemoryTier({ maxEntries: 10_000, maxBytes: 64 * 2 ** 20, ttl: TTL }, clock);
  for (const text of held) tier.set(keyOf(callOf(text)), answerTo(text), 800);
  const random = seeded(1);
  // Calls are made before: a door makes them, hit or miss. Each is new, so no key is remembered with it.
  const calls = Array.from({ length: Math.ceil(lookups * 1.2) }, () =>
    callOf(held[Math.floor(random() * held.length)] ?? ''),
  );
  return timed(tier.entries, lookups, (n) => {
    const call = calls[n];
    return call !== undefined && tier.get(keyOf(call)) !== undefined;
  });
}

/** Key, SQLite and the reading of what it gave. */
export async function second(texts: readonly string[], lookups: number): Promise<Latency> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-l2-'));
  const logger = new SilentLogger();
  const store = new SqliteKeyvStore({
    path: join(directory, 'cache.sqlite'),
    maxBytes: () => 2 ** 30,
    compressAbove: () => 1024,
    clock,
    logger,
  });
  const fault = (error: unknown): never => {
    throw error as Error;
  };
  const tier = new SecondTier(store, fault, new ValueCodec(undefined), () => 1024);
  try {
    await store.open();
    for (let i = 0; i < texts.length; i += BATCH) {
      await tier.set(
        texts.slice(i, i + BATCH).map((text) => ({
          key: keyOf(callOf(text)),
          text: answerToText(answerTo(text)),
          ttlMs: TTL,
        })),
      );
    }
    const random = seeded(2);
    return await timed(texts.length, lookups, async () => {
      const key = keyOf(callOf(texts[Math.floor(random() * texts.length)] ?? ''));
      const value = await tier.get(key, PATIENCE);
      if (value === undefined) return false;
      answerFromText(value);
      return true;
    });
  } finally {
    await tier.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Embedding, the embedded vector store, reading of its eight nearest and the decision; all texts in one scope. */
export async function semantic(texts: readonly string[], lookups: number): Promise<Latency> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-semantic-'));
  const logger = new SilentLogger();
  const store = new EmbeddedVectorStore(join(directory, 'vectors.sqlite'), logger);
  const tier = new SemanticTier({
    store,
    codec: new ValueCodec(undefined),
    clock,
    logger,
    embedder: () => Promise.resolve(new LexicalEmbedder()),
    onFault: (error) => {
      throw error;
    },
  });
  const questionOf = (text: string, key: string): Question => ({
    text,
    context: '',
    scope: 'benchmark',
    fingerprint: 'benchmark',
    key,
  });
  try {
    const { cache, embedders } = new StaticConfigStore().current.sluice;
    await tier.open(cache, embedders);
    for (let i = 0; i < texts.length; i += 500) {
      texts.slice(i, i + 500).forEach((text, n) => {
        tier.keep(questionOf(text, `default:default:auto:${i + n}`), answerTo(text));
      });
      await tier.flush();
    }
    const random = seeded(3);
    return await timed(await tier.count(), lookups, async () => {
      const text = texts[Math.floor(random() * texts.length)] ?? '';
      const found = await tier.lookup(questionOf(`please ${text}`, ''), PATIENCE);
      return found.candidate !== undefined && found.candidate.score >= 0.95;
    });
  } finally {
    await tier.close();
    await rm(directory, { recursive: true, force: true });
  }
}
