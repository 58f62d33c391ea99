import { Injectable } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { AlertSink, type PerformanceAlert } from '@sluice/routing';
import { AlertWebhook } from '@sluice/token-limits';

/** Alerts of the routing room go where budget alerts go. */
@Injectable()
export class WebhookAlertSink extends AlertSink {
  constructor(
    private readonly config: ConfigStore,
    private readonly webhook: AlertWebhook,
  ) {
    super();
  }

  get wanted(): boolean {
    return this.config.current.policies.alerts.webhook !== undefined;
  }

  async send({ id, kind, subject, message, raisedAt }: PerformanceAlert): Promise<void> {
    const { webhook: url, webhookSecret: secret } = this.config.current.policies.alerts;
    if (url === undefined) return;
    await this.webhook.post(
      { url, secret },
      {
        id,
        type: 'performance.alert',
        at: new Date(raisedAt),
        data: { kind, subject, message },
      },
    );
  }
}
