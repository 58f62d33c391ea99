import type { RateVerdict, RateWindow } from '../rate-window.js';

/** Where requests are counted. */
export abstract class RateStore {
  /**
   * Counts one request of `subject` in all windows, or in none when any of them is full.
   * @param subject at most 200 characters; windows of one subject are counted together
   */
  abstract decide(
    subject: string,
    windows: readonly RateWindow[],
  ): RateVerdict | Promise<RateVerdict>;
}
