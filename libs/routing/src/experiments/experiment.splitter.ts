import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ConfigStore, type ExperimentConfig } from '@sluice/config';
import type { ChatCall } from '@sluice/kernel';

export interface Assignment {
  readonly experiment: ExperimentConfig;
  /** `routed` or `model:<id>`. */
  readonly arm: string;
  /** The model of the arm; undefined for `routed`. */
  readonly model: string | undefined;
}

/** Sticky, stateless splits: the same caller meets the same arm on every replica and after every restart. */
@Injectable()
export class ExperimentSplitter {
  constructor(private readonly config: ConfigStore) {}

  /** Every experiment's arm for this call, in the order of the configuration. */
  assignments(call: ChatCall): Assignment[] {
    return this.config.current.sluice.experiments.flatMap((experiment) => {
      const arm = armOf(experiment, call);
      return arm === undefined ? [] : [{ experiment, arm, model: modelOf(arm) }];
    });
  }

  find(id: string): ExperimentConfig | undefined {
    return this.config.current.sluice.experiments.find((experiment) => experiment.id === id);
  }
}

/** All models that the experiment's arms name. */
export function armModels(experiment: ExperimentConfig): string[] {
  return Object.keys(experiment.split).flatMap((arm) => modelOf(arm) ?? []);
}

/** A number in [0, 1) that depends on nothing but `text`. */
export function fraction(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}

function armOf(experiment: ExperimentConfig, call: ChatCall): string | undefined {
  const at = fraction(JSON.stringify([experiment.id, stickyKey(experiment, call)]));
  let sum = 0;
  for (const [arm, share] of Object.entries(experiment.split)) {
    sum += share;
    if (at < sum) return arm;
  }
  return undefined;
}

function stickyKey({ stickyBy }: ExperimentConfig, call: ChatCall): string {
  if (stickyBy === 'request') return call.id;
  const caller = JSON.stringify([call.caller.tenant, call.caller.id]);
  return stickyBy === 'session' && call.session !== undefined ? `${caller}${call.session}` : caller;
}

function modelOf(arm: string): string | undefined {
  return arm.startsWith('model:') ? arm.slice('model:'.length) : undefined;
}
