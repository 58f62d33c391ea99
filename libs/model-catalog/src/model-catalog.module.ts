import { Global, Module } from '@nestjs/common';
import { ModelCatalog } from './model.catalog.js';
import { PromptCounter } from './prompt.counter.js';
import { TokenCounter } from './token.counter.js';

@Global()
@Module({
  providers: [ModelCatalog, TokenCounter, PromptCounter],
  exports: [ModelCatalog, TokenCounter, PromptCounter],
})
export class ModelCatalogModule {}
