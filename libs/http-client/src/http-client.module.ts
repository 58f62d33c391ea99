import { Global, Module } from '@nestjs/common';
import { DnsCache } from './dns-cache.lookup.js';

/** One cache of addresses for the process. Clients are made by those who know their timeouts. */
@Global()
@Module({
  providers: [{ provide: DnsCache, useFactory: () => new DnsCache() }],
  exports: [DnsCache],
})
export class HttpClientModule {}
