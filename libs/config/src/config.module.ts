import { Module, type DynamicModule } from '@nestjs/common';
import { ConfigStore } from './config.store.js';
import { FileConfigStore, type FileConfigOptions } from './file-config.store.js';

/**
 * Reads both YAML files and the environment, before Nest starts: a wrong configuration needs no container to say so.
 * @throws ConfigError listing every problem
 */
export function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  options: FileConfigOptions = {},
): Promise<ConfigStore> {
  return FileConfigStore.open(env, options);
}

/** Gives every module the {@link ConfigStore} that the process was started with. */
@Module({})
export class ConfigModule {
  static with(store: ConfigStore): DynamicModule {
    return {
      module: ConfigModule,
      global: true,
      providers: [{ provide: ConfigStore, useValue: store }],
      exports: [ConfigStore],
    };
  }
}
