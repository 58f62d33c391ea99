import type { UsageEvent } from '../usage-event.js';

export type Cell = string | number | boolean | null;

export interface UsageColumn {
  readonly name: string;
  /** Type of the parameter's elements in the insert statement. */
  readonly type: 'uuid' | 'float8' | 'text' | 'int4' | 'int8' | 'bool';
  readonly of: (event: UsageEvent) => Cell;
}

const LONGEST_TEXT = 256;
const LARGEST_INT4 = 2_147_483_647;
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * The columns of `token_usage`, in the order in which the spool stores an event.
 * New ones are added at the end: a spool of an older version lacks them and reads as null.
 */
export const USAGE_COLUMNS: readonly UsageColumn[] = [
  { name: 'request_id', type: 'uuid', of: (e) => e.requestId },
  { name: 'at', type: 'float8', of: (e) => e.at },
  text('tenant', (e) => e.tenant),
  text('caller', (e) => e.caller),
  text('key_id', (e) => e.keyId),
  text('tier', (e) => e.tier),
  text('agent', (e) => e.agent),
  text('session', (e) => e.session),
  text('route', (e) => e.route),
  text('dialect', (e) => e.dialect),
  text('requested_model', (e) => e.requestedModel),
  text('model', (e) => e.model),
  text('provider', (e) => e.provider),
  int4('status', (e) => e.status),
  text('outcome', (e) => e.outcome),
  text('error_code', (e) => e.errorCode),
  text('cache', (e) => e.cache),
  { name: 'stream', type: 'bool', of: (e) => e.stream },
  int4('input_tokens', (e) => e.usage.input),
  int4('output_tokens', (e) => e.usage.output),
  int4('cached_input_tokens', (e) => e.usage.cachedInput),
  int4('cache_write_tokens', (e) => e.usage.cacheWrite),
  int4('reasoning_tokens', (e) => e.usage.reasoning),
  { name: 'estimated', type: 'bool', of: (e) => e.usage.estimated },
  int8('cost_micro_usd', (e) => e.costMicroUsd),
  int8('saved_cache_micro_usd', (e) => e.saved.cache),
  int8('saved_routing_micro_usd', (e) => e.saved.routing),
  int8('saved_coalescing_micro_usd', (e) => e.saved.coalescing),
  int8('duration_us', (e) => e.durationUs),
  int8('ttft_us', (e) => e.ttftUs),
  int8('overhead_us', (e) => e.overheadUs),
  int4('attempts', (e) => e.attempts),
  text('path', (e) => e.path),
  text('experiment', (e) => e.experiment),
  text('experiment_arm', (e) => e.experimentArm),
  int4('config_version', (e) => e.configVersion),
  { name: 'corrects', type: 'uuid', of: (e) => e.corrects ?? null },
];

/** One event as the spool stores it: a JSON array of {@link USAGE_COLUMNS}. */
export function encodeEvent(event: UsageEvent): string {
  return JSON.stringify(USAGE_COLUMNS.map((column) => column.of(event)));
}

export type UsageRow = readonly Cell[];

export function decodeRow(payload: string): UsageRow {
  // Trusted: only encodeEvent() writes payloads, and the frame's checksum has been compared.
  return JSON.parse(payload) as UsageRow;
}

function text(name: string, of: (event: UsageEvent) => string | undefined): UsageColumn {
  return { name, type: 'text', of: (event) => storable(of(event)) };
}

/** Names come from callers. One that Postgres refuses (NUL, half a surrogate pair) would hold up its whole batch. */
function storable(value: string | undefined): string | null {
  if (value === undefined) return null;
  const short = value.length > LONGEST_TEXT ? value.slice(0, LONGEST_TEXT) : value;
  return PLAIN.test(short) ? short : short.toWellFormed().replaceAll('\0', '');
}

function int4(name: string, of: (event: UsageEvent) => number): UsageColumn {
  return { name, type: 'int4', of: (event) => whole(of(event), LARGEST_INT4) };
}

function int8(name: string, of: (event: UsageEvent) => number | undefined): UsageColumn {
  return {
    name,
    type: 'int8',
    of: (event) => {
      const value = of(event);
      return value === undefined ? null : whole(value, Number.MAX_SAFE_INTEGER);
    },
  };
}

function whole(value: number, most: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.max(-most, Math.min(most, Math.round(value)));
}
