import type { Logger } from '@sluice/observability';
import type { DepartureLog } from './departure.log.js';

const TOGETHER = 100;

/** Begins to write down what leaves, and gives back what dead processes had reserved for requests that never did. */
export async function startDepartures(
  departures: DepartureLog,
  giveBack: (ids: readonly string[]) => Promise<void>,
  logger: Logger,
): Promise<void> {
  try {
    await departures.open();
    for (const dead of await departures.dead()) {
      for (let at = 0; at < dead.unsent.length; at += TOGETHER) {
        await giveBack(dead.unsent.slice(at, at + TOGETHER));
      }
      await departures.forget(dead);
    }
  } catch (error) {
    // Then all that a killed process held counts as spent when its leases run out.
    logger.warn({ err: error }, 'what goes upstream cannot be written down');
  }
}
