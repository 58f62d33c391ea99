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

export interface WebhookMessage {
  /** Unique: a receiver knows a repeated delivery by it. */
  readonly id: string;
  readonly type: string;
  readonly at: Date;
  readonly data: Readonly<Record<string, string | number>>;
}

/**
 * Posts alerts by Standard Webhooks. The address is the operator's own, from the policies file, so private
 * addresses are allowed; redirects are never followed.
 */
@Injectable()
export class AlertWebhook {
  constructor(private readonly clock: Clock) {}

  /** @throws Error when the receiver does not answer 2xx within 5 s */
  send(target: WebhookTarget, alert: BudgetAlert): Promise<void> {
    const { id, at, scope, unit, period, threshold, limit, spent } = alert;
    const data = { scope, unit, period, threshold, limit, spent };
    return this.post(target, { id, type: 'budget.alert', at, data });
  }

  /** Posts an alert of any kind. @throws Error as {@link send} */
  async post(target: WebhookTarget, message: WebhookMessage): Promise<void> {
    const { id, type, at, data } = message;
    const body = JSON.stringify({ type, timestamp: at.toISOString(), data });
    const seconds = String(Math.floor(this.clock.now() / 1000));
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': seconds,
    };
    if (target.secret !== undefined) {
      const signed = createHmac('sha256', keyOf(target.secret)).update(`${id}.${seconds}.${body}`);
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
