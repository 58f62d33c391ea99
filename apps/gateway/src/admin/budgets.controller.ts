import { Controller, Get, HttpCode, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AdminOnly } from '@sluice/auth';
import { microToUsd, type Caller } from '@sluice/kernel';
import { AuditTrail } from '@sluice/rate-limit';
import { EmergencySwitch, LimitBook, LimitsView, type LimitStanding } from '@sluice/token-limits';
import { callerOf } from '../http/request-state.js';

/** One limit as the API shows it. Money in USD. */
export interface BudgetJson {
  readonly scope: string;
  readonly unit: 'tokens' | 'input_tokens' | 'output_tokens' | 'usd';
  readonly period: string;
  readonly limit: number;
  readonly spent: number;
  readonly reserved: number;
  readonly left: number;
  readonly projected: number;
  readonly resets_at: string;
}

/** Spending of every configured limit, by the counters that enforce it, and the emergency switch. */
@Controller('v1/admin/budgets')
@AdminOnly()
export class BudgetsController {
  constructor(
    private readonly view: LimitsView,
    private readonly emergency: EmergencySwitch,
    private readonly book: LimitBook,
    private readonly audit: AuditTrail,
  ) {}

  @Get()
  async list(): Promise<unknown> {
    const budgets = (await this.view.all()).map(budgetJson);
    return { shutdown: this.#state(), budgets };
  }

  /** Stops paid calls of everybody but administrators, in every replica within 5 s. Cached answers go on. */
  @Post('shutdown')
  @HttpCode(200)
  async shutdown(@Req() request: FastifyRequest): Promise<unknown> {
    await this.emergency.shutDown();
    await this.#record(callerOf(request), 'budget.shutdown');
    return { shutdown: this.#state() };
  }

  /** Lets paid calls run again, also above `emergency.shutdownAt` in the periods that have passed it. */
  @Post('resume')
  @HttpCode(200)
  async resume(@Req() request: FastifyRequest): Promise<unknown> {
    await this.emergency.resume(this.book);
    await this.#record(callerOf(request), 'budget.resume');
    return { shutdown: this.#state() };
  }

  #state(): unknown {
    const automatic = this.emergency.overspent(this.book);
    return {
      active: this.emergency.manual || automatic.length > 0,
      manual: this.emergency.manual,
      automatic,
    };
  }

  #record(by: Caller, action: string): Promise<void> {
    return this.audit.record({
      actor: `${by.tenant}/${by.id}`,
      action,
      subject: 'system',
      details: {},
    });
  }
}

export function budgetJson(standing: LimitStanding): BudgetJson {
  const money = standing.unit === 'micro_usd';
  const amount = (n: number) => (money ? microToUsd(n) : n);
  return {
    scope: standing.scope,
    unit: standing.unit === 'micro_usd' ? 'usd' : standing.unit,
    period: standing.period,
    limit: amount(standing.limit),
    spent: amount(standing.spent),
    reserved: amount(standing.held),
    left: amount(standing.left),
    projected: amount(standing.projected),
    resets_at: new Date(standing.resetsAt).toISOString(),
  };
}
