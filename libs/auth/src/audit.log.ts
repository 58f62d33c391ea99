import { Injectable } from '@nestjs/common';
import { Database, type Queryable } from '@sluice/database';
import { Clock, uuidv7 } from '@sluice/kernel';

/** Something an administrator did. Never holds a secret. */
export interface Deed {
  /** Tenant it concerns; `default` when left out. */
  readonly tenant?: string;
  /** Who did it: `tenant/id`. */
  readonly actor: string;
  /** `key.create`, `rate_limit.override`, … */
  readonly action: string;
  /** What it was done to: an id or a name. */
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The table `audit_log`: rows are added and never changed. */
@Injectable()
export class AuditLog {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** In the transaction of the deed when there is one: then there is no deed without its row. */
  async record(deed: Deed, tx: Queryable = this.database.requests): Promise<void> {
    const now = this.clock.now();
    await tx.query(
      `INSERT INTO audit_log (id, tenant, at, actor, action, subject, details)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        uuidv7(now),
        deed.tenant ?? 'default',
        new Date(now),
        deed.actor,
        deed.action,
        deed.subject,
        JSON.stringify(deed.details),
      ],
    );
  }
}
