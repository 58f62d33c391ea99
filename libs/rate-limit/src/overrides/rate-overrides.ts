import { Injectable } from '@nestjs/common';
import { Clock, GatewayError, type Caller } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { AuditTrail } from '../audit-trail.port.js';
import { OverrideBook, RateOverrideRepository, type RateOverride } from './rate-override.js';

/** All replicas follow within this time and one query. */
const POLL_MS = 2000;

/** Emergency limits: set by an administrator, kept in the database, read by every replica. */
@Injectable()
export class RateOverrides {
  #book = new OverrideBook();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly repository: RateOverrideRepository,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), POLL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  find(caller: Caller): RateOverride | undefined {
    return this.#book.find(caller, this.clock.now());
  }

  /**
   * Sets a subject's limit until a moment; a moment that has passed ends an earlier override.
   * @throws GatewayError invalid_request for a subject or a limit that cannot be
   */
  async set(override: RateOverride, by: Caller): Promise<void> {
    if (override.subject === '' || override.subject.length > 300) {
      throw new GatewayError('invalid_request', 'subject must have 1 to 300 characters.', {
        param: 'subject',
      });
    }
    await this.repository.save(override);
    await this.audit.record({
      actor: `${by.tenant}/${by.id}`,
      action: 'rate_limit.override',
      subject: override.subject,
      details: { until: new Date(override.until).toISOString(), per_hour: override.perHour },
    });
    await this.refresh();
  }

  /** Reads the overrides again. While the database is away the last ones hold, each to its expiry. */
  async refresh(): Promise<void> {
    try {
      this.#book = new OverrideBook(await this.repository.active(this.clock.now()));
    } catch (error) {
      this.logger.warn({ err: error }, 'rate limit overrides could not be read');
    }
  }
}
