import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '@sluice/kernel';
import { request } from 'undici';
import type { BudgetAlert } from './budget-alert.js';

const TIMEOUT_MS = 5000;

export interface WebhookTarget {
  readonly url: string;
  readonly secret?: string | undefined;
}

/**
 * Posts alerts by Standard Webhooks. The address is the operator's own, from the policies file, so private
 * addresses are allowed; redirects are never followed.
 */
@Injectable()
export class AlertWebhook {
  constructor(private readonly clock: Clock) {}

  /** @throws Error when the receiver does not answer 2xx within 5 s */
  async send(target: WebhookTarget, alert: BudgetAlert): Promise<void> {
    const body = JSON.stringify({
      type: 'budget.alert',
      timestamp: alert.at.toISOString(),
      data: {
        scope: alert.scope,
        unit: alert.unit,
        period: alert.period,
        threshold: alert.threshold,
        limit: alert.limit,
        spent: alert.spent,
      },
    });
    const seconds = String(Math.floor(this.clock.now() / 1000));
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'webhook-id': alert.id,
      'webhook-timestamp': seconds,
    };
    if (target.secret !== undefined) {
      const signed = createHmac('sha256', keyOf(target.secret)).update(
        `${alert.id}.${seconds}.${body}`,
      );
      headers['webhook-signature'] = `v1,${signed.digest('base64')}`;
    }
    const answer = await request(target.url, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await answer.body.dump();
    if (answer.statusCode < 200 || answer.statusCode > 299) {
      throw new Error(`the webhook answered ${answer.statusCode}`);
    }
  }
}

/** A secret written as `whsec_…` is base64, by the standard; any other is taken as it is. */
function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_')
    ? Buffer.from(secret.slice('whsec_'.length), 'base64')
    : Buffer.from(secret);
}
