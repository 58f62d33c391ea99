import { Global, Module, type DynamicModule } from '@nestjs/common';
import { MachineLink } from './machine.link.js';

/** Binds {@link MachineLink} everywhere. */
@Global()
@Module({})
export class ClusterModule {
  static with(link: MachineLink): DynamicModule {
    return {
      module: ClusterModule,
      providers: [{ provide: MachineLink, useValue: link }],
      exports: [MachineLink],
    };
  }
}
