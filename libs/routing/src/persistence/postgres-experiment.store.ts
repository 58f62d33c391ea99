import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import type { ArmDelta, ArmMetric } from '../experiments/arm.totals.js';
import { ExperimentStore } from '../experiments/experiment.store.js';

interface Row {
  readonly arm: string;
  readonly metric: ArmMetric;
  readonly n: string;
  readonly sum: number;
  readonly squares: number;
}

/** Sums by experiment, arm and metric in the table `experiment_arms`; replicas add to the same rows. */
@Injectable()
export class PostgresExperimentStore extends ExperimentStore {
  constructor(private readonly database: Database) {
    super();
  }

  async add(deltas: readonly ArmDelta[]): Promise<void> {
    // Ordered by key, so that two replicas cannot wait for each other.
    await this.database.writer.query(
      `INSERT INTO experiment_arms (experiment, arm, metric, n, sum, squares)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::float8[], $6::float8[])
         AS d (experiment, arm, metric, n, sum, squares)
       ORDER BY 1, 2, 3
       ON CONFLICT (experiment, arm, metric) DO UPDATE SET n = experiment_arms.n + excluded.n,
         sum = experiment_arms.sum + excluded.sum, squares = experiment_arms.squares + excluded.squares`,
      [
        deltas.map((d) => d.experiment),
        deltas.map((d) => d.arm),
        deltas.map((d) => d.metric),
        deltas.map((d) => d.n),
        deltas.map((d) => d.sum),
        deltas.map((d) => d.squares),
      ],
    );
  }

  async read(experiment: string): Promise<ArmDelta[]> {
    const { rows } = await this.database.requests.query<Row>(
      'SELECT arm, metric, n, sum, squares FROM experiment_arms WHERE experiment = $1 ORDER BY arm, metric',
      [experiment],
    );
    return rows.map(({ arm, metric, n, sum, squares }) => ({
      experiment,
      arm,
      metric,
      n: Number(n),
      sum,
      squares,
    }));
  }
}
