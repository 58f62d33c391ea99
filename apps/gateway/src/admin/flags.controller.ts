import { Body, Controller, Get, Put } from '@nestjs/common';
import { AdminOnly } from '@sluice/auth';
import { RuntimeFlags, type FlagState } from '@sluice/routing';
import { checked } from '../http/checked.js';
import { setFlagsRequest } from './routing.contract.js';

/** Feature flags. A change is stored and reaches every replica within two seconds. */
@Controller('v1/admin/flags')
@AdminOnly()
export class FlagsController {
  constructor(private readonly flags: RuntimeFlags) {}

  @Get()
  list(): unknown {
    return flagsJson(this.flags.list());
  }

  /** Changes the flags that are named and leaves the others. */
  @Put()
  async set(@Body() body: unknown): Promise<unknown> {
    for (const { name, enabled, observe } of checked(setFlagsRequest, body)) {
      await this.flags.set(name, enabled, {
        ...(observe === undefined
          ? {}
          : {
              observation: {
                share: observe.share,
                p95Bound: observe.p95_bound,
                errorBound: observe.error_bound,
                minCalls: observe.min_calls,
              },
            }),
      });
    }
    return flagsJson(this.flags.list());
  }
}

function flagsJson(states: readonly FlagState[]): unknown {
  return {
    flags: Object.fromEntries(states.map(({ name, enabled }) => [name, enabled])),
    data: states.map(({ name, enabled, source, reason, updatedAt, observation }) => ({
      name,
      enabled,
      source,
      reason: reason ?? null,
      updated_at: updatedAt === undefined ? null : new Date(updatedAt).toISOString(),
      observe:
        observation === undefined
          ? null
          : {
              share: observation.share,
              p95_bound: observation.p95Bound,
              error_bound: observation.errorBound,
              min_calls: observation.minCalls,
            },
    })),
  };
}
