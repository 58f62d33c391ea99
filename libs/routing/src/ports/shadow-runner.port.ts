import type { ChatCall } from '@sluice/kernel';

/** What a candidate model made of a copied call. */
export interface ShadowResult {
  readonly ok: boolean;
  readonly durationMs: number;
  readonly costMicroUsd: number;
}

/** Runs a copy of a call against another model at the gateway's own expense. */
export abstract class ShadowRunner {
  /** Must not charge the caller, touch the cache, or outlive `call.signal`'s own deadline rules. */
  abstract run(call: ChatCall, model: string): Promise<ShadowResult>;
}
