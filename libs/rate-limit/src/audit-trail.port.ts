/** Where deeds of administrators are written down. The app binds the auth room's. */
export abstract class AuditTrail {
  abstract record(deed: AuditDeed): Promise<void>;
}

export interface AuditDeed {
  /** Who did it: `tenant/id` of the administrator. */
  readonly actor: string;
  /** `rate_limit.override` */
  readonly action: string;
  /** What it was done to. */
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
}
