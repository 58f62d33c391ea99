import { Gauge } from 'prom-client';
import type { Metrics } from '@sluice/observability';
import type { DatabasePool } from './database.pool.js';

/** `sluice_database_connections{pool,state}` and `sluice_database_waiting{pool}`, read when they are scraped. */
export function observePools(metrics: Metrics, pools: readonly DatabasePool[]): void {
  const registers = [metrics.registry];
  new Gauge({
    name: 'sluice_database_connections',
    help: 'Connections of each database pool, by state.',
    labelNames: ['pool', 'state'],
    registers,
    collect() {
      for (const pool of pools) {
        const { max, total, idle } = pool.state;
        this.set({ pool: pool.name, state: 'max' }, max);
        this.set({ pool: pool.name, state: 'idle' }, idle);
        this.set({ pool: pool.name, state: 'used' }, total - idle);
      }
    },
  });
  new Gauge({
    name: 'sluice_database_waiting',
    help: 'Statements that wait for a connection of the pool.',
    labelNames: ['pool'],
    registers,
    collect() {
      for (const pool of pools) this.set({ pool: pool.name }, pool.state.waiting);
    },
  });
}
