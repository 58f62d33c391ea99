import { Injectable } from '@nestjs/common';
import { Database } from '@sluice/database';
import { SpendControlRepository, type SpendControl } from '../emergency/spend-control.js';

@Injectable()
export class SqlSpendControlRepository extends SpendControlRepository {
  constructor(private readonly database: Database) {
    super();
  }

  async load(): Promise<SpendControl> {
    const { rows } = await this.database.requests.query<{ shut_down: boolean; waived: string[] }>(
      'SELECT shut_down, waived FROM spend_control',
    );
    return { shutDown: rows[0]?.shut_down ?? false, waived: rows[0]?.waived ?? [] };
  }

  async save(control: SpendControl, at: Date): Promise<void> {
    await this.database.requests.query(
      `INSERT INTO spend_control (shut_down, waived, changed_at) VALUES ($1, $2, $3)
       ON CONFLICT (one) DO UPDATE SET shut_down = $1, waived = $2, changed_at = $3`,
      [control.shutDown, control.waived, at],
    );
  }
}
