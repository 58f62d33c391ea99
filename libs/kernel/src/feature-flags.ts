import type { ChatCall } from './call.js';

/**
 * What an operator can switch off while calls run: `ENABLE_<NAME>` in the environment, then `/v1/admin/flags`.
 * A flag only forbids. What the YAML has switched off stays off with its flag on.
 */
export const FEATURE_FLAGS = [
  'async_routing', // decisions cached by pattern of features
  'cascade', // the cheap model first, its answer inspected
  'coalescing', // identical calls in flight share one run
  'connection_pooling', // connections to upstreams are kept alive
  'hedging', // a slow first token is raced by another target
  'predictive_caching', // what usually follows a question is brought into memory
  'response_cache', // every tier of the cache
  'semantic_cache', // answers found by meaning
] as const;

export type FeatureFlag = (typeof FEATURE_FLAGS)[number];

/** Asked by every room, at run time, before it does what a flag stands for. */
export abstract class FeatureFlags {
  /**
   * Whether the flag is on; free of I/O, costs a map look-up. Changes reach all replicas within seconds.
   * @param call gives the answer for this call: a flag under observation is on for a share of calls only
   */
  abstract isOn(flag: FeatureFlag, call?: Pick<ChatCall, 'id'>): boolean;
}
