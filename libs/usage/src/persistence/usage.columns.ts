import { storableJson } from '@sluice/database';
import type { UsageEvent } from '../usage-event.js';

export type Cell = string | number | boolean | null;

export interface UsageColumn {
  readonly name: string;
  /** Type of the cell in the insert statement. */
  readonly type: 'uuid' | 'float8' | 'text' | 'int4' | 'int8' | 'bool';
}

const LONGEST_TEXT = 256;
const LARGEST_INT4 = 2_147_483_647;

/**
 * The columns of `token_usage`, in the order in which the spool stores an event.
 * New ones are added at the end: a spool of an older version lacks them and reads as null.
 */
export const USAGE_COLUMNS: readonly UsageColumn[] = [
  { name: 'request_id', type: 'uuid' },
  { name: 'at', type: 'float8' },
  { name: 'tenant', type: 'text' },
  { name: 'caller', type: 'text' },
  { name: 'key_id', type: 'text' },
  { name: 'tier', type: 'text' },
  { name: 'agent', type: 'text' },
  { name: 'session', type: 'text' },
  { name: 'route', type: 'text' },
  { name: 'dialect', type: 'text' },
  { name: 'requested_model', type: 'text' },
  { name: 'model', type: 'text' },
  { name: 'provider', type: 'text' },
  { name: 'status', type: 'int4' },
  { name: 'outcome', type: 'text' },
  { name: 'error_code', type: 'text' },
  { name: 'cache', type: 'text' },
  { name: 'stream', type: 'bool' },
  { name: 'input_tokens', type: 'int4' },
  { name: 'output_tokens', type: 'int4' },
  { name: 'cached_input_tokens', type: 'int4' },
  { name: 'cache_write_tokens', type: 'int4' },
  { name: 'reasoning_tokens', type: 'int4' },
  { name: 'estimated', type: 'bool' },
  { name: 'cost_micro_usd', type: 'int8' },
  { name: 'saved_cache_micro_usd', type: 'int8' },
  { name: 'saved_routing_micro_usd', type: 'int8' },
  { name: 'saved_coalescing_micro_usd', type: 'int8' },
  { name: 'duration_us', type: 'int8' },
  { name: 'ttft_us', type: 'int8' },
  { name: 'overhead_us', type: 'int8' },
  { name: 'attempts', type: 'int4' },
  { name: 'path', type: 'text' },
  { name: 'experiment', type: 'text' },
  { name: 'experiment_arm', type: 'text' },
  { name: 'config_version', type: 'int4' },
  { name: 'corrects', type: 'uuid' },
];

/**
 * The cells of {@link USAGE_COLUMNS}. One literal, where a function a column took three times as long: every paid call is
 * encoded twice.
 */
function cellsOf(event: UsageEvent): Cell[] {
  const { usage, saved } = event;
  return [
    event.requestId,
    event.at,
    text(event.tenant),
    text(event.caller),
    text(event.keyId),
    text(event.tier),
    text(event.agent),
    text(event.session),
    text(event.route),
    event.dialect,
    text(event.requestedModel),
    text(event.model),
    text(event.provider),
    int4(event.status),
    event.outcome,
    text(event.errorCode),
    event.cache ?? null,
    event.stream,
    int4(usage.input),
    int4(usage.output),
    int4(usage.cachedInput),
    int4(usage.cacheWrite),
    int4(usage.reasoning),
    usage.estimated,
    int8(event.costMicroUsd),
    int8(saved.cache),
    int8(saved.routing),
    int8(saved.coalescing),
    int8(event.durationUs),
    event.ttftUs === undefined ? null : int8(event.ttftUs),
    int8(event.overheadUs),
    int4(event.attempts),
    event.path,
    text(event.experiment),
    text(event.experimentArm),
    int4(event.configVersion),
    event.corrects ?? null,
  ];
}

/** One event as the spool stores it and the database reads it: a JSON array of {@link USAGE_COLUMNS}. */
export function encodeEvent(event: UsageEvent): string {
  // Names come from callers. One that Postgres refuses would hold up its whole batch.
  return storableJson(cellsOf(event));
}

/** An event of the spool, cell by cell. */
export function decodeRow(payload: string): readonly Cell[] {
  // Trusted: only encodeEvent() writes payloads, and the frame's checksum has been compared.
  return JSON.parse(payload) as readonly Cell[];
}

function text(value: string | undefined): string | null {
  if (value === undefined) return null;
  return value.length > LONGEST_TEXT ? value.slice(0, LONGEST_TEXT) : value;
}

function int4(value: number): number {
  return whole(value, LARGEST_INT4);
}

function int8(value: number): number {
  return whole(value, Number.MAX_SAFE_INTEGER);
}

function whole(value: number, most: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.max(-most, Math.min(most, Math.round(value)));
}
