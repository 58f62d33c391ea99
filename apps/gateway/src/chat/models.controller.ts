import { Controller, Get, Param, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ConfigStore } from '@sluice/config';
import { GatewayError, type Caller } from '@sluice/kernel';
import { ProviderRegistry } from '@sluice/providers';
import { callerOf } from '../http/request-state.js';

interface ModelView {
  readonly id: string;
  readonly ownedBy: string;
}

/** What this caller may use. Answers in Anthropic's shape when `anthropic-version` is sent. */
@Controller('v1/models')
export class ModelsController {
  constructor(
    private readonly config: ConfigStore,
    private readonly providers: ProviderRegistry,
  ) {}

  @Get()
  list(@Req() request: FastifyRequest): unknown {
    const models = this.#models(callerOf(request));
    const created = this.#created();
    if (request.headers['anthropic-version'] !== undefined) {
      const data = models.map((m) => anthropicModel(m, created));
      return {
        data,
        has_more: false,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
      };
    }
    return { object: 'list', data: models.map((m) => openAiModel(m, created)) };
  }

  /** Ids may hold slashes (`ensemble/three`), so the rest of the path is the id. */
  @Get('*')
  one(@Req() request: FastifyRequest, @Param('*') id: string): unknown {
    const model = this.#models(callerOf(request)).find((m) => m.id === id);
    if (model === undefined) {
      throw new GatewayError(
        'model_not_found',
        `The model \`${id.slice(0, 128)}\` does not exist or you do not have access to it.`,
        { param: 'model' },
      );
    }
    return request.headers['anthropic-version'] === undefined
      ? openAiModel(model, this.#created())
      : anthropicModel(model, this.#created());
  }

  #created(): Date {
    return this.config.current.loadedAt;
  }

  #models(caller: Caller): ModelView[] {
    const { models, ensembles } = this.config.current.sluice;
    const usable = models.filter(
      (m) =>
        this.providers.isEnabled(m.provider) &&
        (m.tiers === undefined || m.tiers.includes(caller.tier)),
    );
    const ids = new Set(usable.map((m) => m.id));
    return [
      ...(usable.some((m) => m.grade !== undefined) ? [{ id: 'auto', ownedBy: 'sluice' }] : []),
      ...usable.map((m) => ({ id: m.id, ownedBy: m.provider })),
      ...ensembles
        .filter((e) => e.models.some((m) => ids.has(m)))
        .map((e) => ({ id: e.id, ownedBy: 'sluice' })),
    ];
  }
}

function openAiModel(model: ModelView, created: Date): Record<string, unknown> {
  return {
    id: model.id,
    object: 'model',
    created: Math.floor(created.getTime() / 1000),
    owned_by: model.ownedBy,
  };
}

function anthropicModel(model: ModelView, created: Date): { id: string } & Record<string, unknown> {
  return {
    type: 'model',
    id: model.id,
    display_name: model.id,
    created_at: created.toISOString(),
  };
}
