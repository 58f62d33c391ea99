import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Clock, GatewayError } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import type { Entry, LimitBook } from '../limit.book.js';
import { SpendControlRepository, type SpendControl } from './spend-control.js';

const POLL_MS = 2000;

/**
 * Stops paid calls of everybody but administrators: by hand, or by itself when the system's own limits are spent
 * to `emergency.shutdownAt`. Answers from the cache cost nothing and go on.
 */
@Injectable()
export class EmergencySwitch {
  #control: SpendControl = { shutDown: false, waived: [] };
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly repository: SpendControlRepository,
    private readonly config: ConfigStore,
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

  /** @throws GatewayError emergency_shutdown */
  check(book: LimitBook): void {
    if (this.#control.shutDown) throw stopped('An administrator has stopped paid calls.');
    for (const entry of book.system()) {
      if (this.#isOverspent(entry))
        throw stopped('The budget of this gateway is nearly spent; paid calls have been stopped.');
    }
  }

  /** The system's counters that stand above the threshold and were not waived. */
  overspent(book: LimitBook): readonly string[] {
    return [...book.system()]
      .filter((entry) => this.#isOverspent(entry))
      .map(({ counter }) => counter);
  }

  #isOverspent({ counter, spent, limit }: Entry): boolean {
    const { shutdownAt } = this.config.current.policies.emergency;
    return spent >= limit * shutdownAt && !this.#control.waived.includes(counter);
  }

  get manual(): boolean {
    return this.#control.shutDown;
  }

  async shutDown(): Promise<void> {
    await this.#save({ shutDown: true, waived: [] });
  }

  /** Lets paid calls run again: to the full limit in the periods that have passed the threshold. */
  async resume(book: LimitBook): Promise<void> {
    const waived = new Set([...this.#control.waived, ...this.overspent(book)]);
    await this.#save({ shutDown: false, waived: [...waived].slice(-20) });
  }

  async refresh(): Promise<void> {
    try {
      this.#control = await this.repository.load();
    } catch (error) {
      this.logger.warn({ err: error }, 'the emergency switch could not be read');
    }
  }

  async #save(control: SpendControl): Promise<void> {
    await this.repository.save(control, new Date(this.clock.now()));
    this.#control = control;
    this.logger.warn({ shutDown: control.shutDown }, 'emergency switch changed');
  }
}

function stopped(message: string): GatewayError {
  return new GatewayError('emergency_shutdown', message, { shouldRetry: false });
}
