import { Injectable } from '@nestjs/common';
import { AuditLog } from '@sluice/auth';
import { AuditTrail, type AuditDeed } from '@sluice/rate-limit';

/** Deeds of the limits room are written into the auth room's log. */
@Injectable()
export class AuthAuditTrail extends AuditTrail {
  constructor(private readonly log: AuditLog) {
    super();
  }

  record(deed: AuditDeed): Promise<void> {
    return this.log.record(deed);
  }
}
