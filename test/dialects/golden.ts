import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ChatMessage, DialectName, ErrorCode, FinishReason } from '@sluice/kernel';
import { PROVIDER_CATALOGUE } from '../../libs/providers/src/provider.catalogue.js';

/** One request as the provider must receive it. Headers are those that matter; others may come along. */
interface GoldenRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** An event of a stream, apart from how the provider frames it. */
export interface GoldenEvent {
  readonly event?: string;
  readonly data: string;
}

/** A refusal as the provider words it: an answer of its own, or (`after`) an event behind so many of the stream. */
export interface GoldenError {
  readonly name: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** A body that is not JSON. */
  readonly text?: string;
  readonly after?: number;
  readonly event?: GoldenEvent;
  readonly means: {
    readonly code: ErrorCode;
    readonly message?: string;
    readonly param?: string;
    readonly retryAfterMs?: number;
    readonly shouldRetry?: boolean;
  };
}

/** What comes before the question, for protocols that have sessions. `{id}` is the request's JSON-RPC id. */
interface GoldenHandshake {
  readonly method: string;
  /** JSON-RPC method. */
  readonly rpc?: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

/** Which words for the end of an answer the provider has, and what they mean. */
interface GoldenStops {
  readonly field: string;
  /** The word in the golden answer, which the others are put in the place of. */
  readonly given: string;
  readonly means: Readonly<Record<string, FinishReason>>;
  /** Words for a failure of the model: there is no answer to hand on. */
  readonly broken: readonly string[];
}

/** Everything recorded of one provider: a folder `fixtures/<name>` beside the dialect's source. */
export interface Golden {
  readonly name: string;
  readonly kind: string;
  readonly dialect: DialectName;
  /** The provider's lines in sluice.yaml; `{upstream}` and `{port}` are the server that plays it. */
  readonly provider: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly upstream: string;
  /** `plain` for providers that know neither tools nor images. */
  readonly conversation: 'full' | 'plain';
  /** A signature that the provider takes for its own. */
  readonly signature: string;
  readonly streamType: string;
  readonly request: { readonly whole: GoldenRequest; readonly streamed: GoldenRequest };
  readonly answer: Buffer;
  readonly stream: Buffer;
  readonly expected: Pick<ChatMessage, 'choices' | 'model' | 'usage'> & { readonly id?: string };
  readonly stops: GoldenStops | undefined;
  readonly errors: readonly GoldenError[];
  readonly handshake: readonly GoldenHandshake[];
}

const SOURCE = join(import.meta.dirname, '../../libs/providers/src');
/** Answers by itself: there is no wire to record. */
const WITHOUT_WIRE = ['sandbox'];

/** The kinds of provider that the gateway can talk to. */
export const KINDS: readonly string[] = Object.keys(PROVIDER_CATALOGUE).filter(
  (kind) => !WITHOUT_WIRE.includes(kind),
);

/** The `fixtures` folder of a kind; undefined where nobody recorded anything. */
export function fixturesOf(kind: string): string | undefined {
  return ['dialects', 'adapters']
    .map((room) => join(SOURCE, room, kind, 'fixtures'))
    .find((folder) => existsSync(folder));
}

function load(kind: string, folder: string): Golden {
  const file = (name: string): string => join(folder, name);
  const json = (name: string): any => JSON.parse(readFileSync(file(name), 'utf8'));
  const optional = (name: string): any => (existsSync(file(name)) ? json(name) : undefined);
  const stream = ['stream.sse', 'stream.bin'].map(file).find((path) => existsSync(path));
  if (stream === undefined) throw new Error(`${folder} holds no stream.sse and no stream.bin`);
  return {
    name: folder.split('/').at(-1) ?? kind,
    kind,
    environment: {},
    signature: 'c2lnbmVk',
    ...json('golden.json'),
    request: json('request.json'),
    answer: readFileSync(file('answer.json')),
    stream: readFileSync(stream),
    expected: json('expected.json'),
    stops: optional('stops.json'),
    errors: json('errors.json'),
    handshake: optional('handshake.json') ?? [],
  };
}

/** Found, not listed: a new dialect's folder is enough for every suite to cover it. */
export const GOLDENS: readonly Golden[] = KINDS.flatMap((kind) => {
  const folder = fixturesOf(kind);
  if (folder === undefined) return [];
  // The kind's own recording comes before those of its variants.
  const names = readdirSync(folder).sort((a, b) => Number(b === kind) - Number(a === kind));
  return names.map((name) => load(kind, join(folder, name)));
});

export function golden(name: string): Golden {
  const found = GOLDENS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no golden files of ${name}`);
  return found;
}

/** One recording for each kind of provider. */
export const ONE_OF_EACH: readonly Golden[] = KINDS.flatMap(
  (kind) => GOLDENS.find((one) => one.kind === kind) ?? [],
);
