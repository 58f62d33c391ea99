export { DnsCache, type DnsCacheOptions } from './dns-cache.lookup.js';
export { HttpClientModule } from './http-client.module.js';
export {
  HttpClient,
  type HttpClientOptions,
  type HttpPost,
  type PoolStats,
} from './http.client.js';
export type { HttpHeaders, HttpResponse } from './http.exchange.js';
export { HttpFailure, type HttpFailureKind } from './http.failure.js';
export { isPublicAddress, publicAddressesOnly } from './public-address.lookup.js';
export { SseParser, type SseEvent, type SseParserOptions } from './sse.parser.js';
