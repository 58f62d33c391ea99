export { ModelCatalogModule } from './model-catalog.module.js';
export { ModelCatalog } from './model.catalog.js';
export { PromptCounter } from './prompt.counter.js';
export { TokenCounter } from './token.counter.js';
export { estimateTokens } from './token.estimate.js';
export { costOf } from './usage.cost.js';
