export { ChatModule } from './chat.module.js';
export { collect } from './collect.js';
export {
  CompletionBatchRunner,
  type BatchOptions,
  type BatchResult,
} from './completion-batch.runner.js';
export type { EmbeddingInput, EmbeddingOptions } from './embedding.run.js';
export { EmbeddingService, type EmbeddingResult } from './embedding.service.js';
export { CHAT_INTERCEPTORS, ChatPipeline } from './pipeline.js';
export { TokenCountService } from './token-count.service.js';
export { anthropicError, anthropicStatus } from './wire/anthropic.format.js';
export { openAiError } from './wire/openai-error.format.js';
export { ResponseHistory } from './wire/response-history.js';
export { WireCatalogue } from './wire/wire-catalogue.js';
export type { WireDialect, WireStream } from './wire/wire-dialect.js';
