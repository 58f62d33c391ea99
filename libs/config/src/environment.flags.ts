import { FeatureFlags, type FeatureFlag } from '@sluice/kernel';
import type { ConfigStore } from './config.store.js';

/** Flags as the environment has them and nothing else: what a room asks where the app binds no {@link FeatureFlags}. */
export class EnvironmentFlags extends FeatureFlags {
  constructor(private readonly config: Pick<ConfigStore, 'env'>) {
    super();
  }

  isOn(flag: FeatureFlag): boolean {
    return this.config.env.flags[flag] ?? true;
  }
}
