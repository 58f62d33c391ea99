import type { Unit } from '../scopes/limit.js';

/** A limit of which a given share has been spent. */
export interface BudgetAlert {
  /** UUIDv7; also the webhook's id. */
  readonly id: string;
  readonly counter: string;
  /** The share: 0.5 … 1. */
  readonly threshold: number;
  readonly scope: string;
  readonly unit: Unit;
  readonly period: string;
  readonly limit: number;
  readonly spent: number;
  readonly at: Date;
}

export interface StoredAlert extends BudgetAlert {
  /** When the webhook took it; absent when it has not, or none is configured. */
  readonly deliveredAt?: Date;
}

/** Where alerts are kept. */
export abstract class BudgetAlertRepository {
  /** True for the one who is first to store this counter's threshold. */
  abstract insert(alert: BudgetAlert): Promise<boolean>;
  /** Newest first. @param before only alerts older than the one of this id */
  abstract list(page: {
    readonly limit: number;
    readonly before?: string;
  }): Promise<readonly StoredAlert[]>;
  /** Takes alerts that still must be delivered, and counts the try; others get them again only after `againMs`. */
  abstract claimUndelivered(now: Date, againMs: number): Promise<readonly BudgetAlert[]>;
  abstract delivered(id: string, at: Date): Promise<void>;
}
