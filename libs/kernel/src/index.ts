export {
  MICRO_PER_USD,
  microToUsd,
  roundCost,
  tokenCost,
  usdToMicro,
  type MicroUsd,
} from './money.js';
export { NO_USAGE, addUsage, usage, type Usage } from './usage.js';
export { BackOff, type BackOffBounds } from './back-off.js';
export {
  ADMIN_SCOPE,
  OPERATOR_TENANT,
  SYSTEM_CALLER,
  isAdmin,
  isOperator,
  type Caller,
  type CallerKind,
} from './caller.js';
export { Clock, ManualClock, SystemClock } from './clock.js';
export { randomToken, uuidv7 } from './ids.js';
export {
  ERROR_STATUS,
  GatewayError,
  amended,
  asGatewayError,
  type ErrorCode,
  type GatewayErrorOptions,
  type SpentBill,
  type UpstreamFailure,
} from './error.js';
export {
  lastUserMessage,
  textOf,
  type AudioPart,
  type CacheMark,
  type FilePart,
  type ImagePart,
  type Message,
  type Part,
  type Prompt,
  type Reasoning,
  type ReasoningPart,
  type RefusalPart,
  type ResponseFormat,
  type Role,
  type TextPart,
  type Tool,
  type ToolCallPart,
  type ToolChoice,
  type ToolResultPart,
} from './prompt.js';
export {
  ChatChunk,
  type ChunkReader,
  type ChunkSource,
  type ChatEvent,
  type DialectName,
  type FinishReason,
  type WireFrame,
} from './event.js';
export { MessageAssembler, eventsOf, type ChatMessage, type Choice } from './message.js';
export {
  ChatReply,
  type Bill,
  type Outcome,
  type ReplyEnd,
  type ReplyObserver,
  type WireBody,
} from './reply.js';
export {
  GRADES,
  type AnswerPath,
  type Capability,
  type Grade,
  type Price,
  type Target,
} from './target.js';
export {
  Journal,
  type AttemptFact,
  type CacheFact,
  type CacheVerdict,
  type ExpectedSpend,
  type RoutingFact,
} from './journal.js';
export {
  ChatCall,
  DEFAULT_CACHE_CONTROLS,
  type CacheControls,
  type CacheMode,
  type ChatCallInit,
  type SpendHold,
  type Progress,
} from './call.js';
export { scanJson, type JsonOutline } from './json-scan.js';
export { RawJson } from './raw-json.js';
export { fieldParam, messageParam, partParam, type PromptField } from './field-name.js';
export { isExactNumber, parseExact } from './exact-json.js';
export { FEATURE_FLAGS, FeatureFlags, type FeatureFlag } from './feature-flags.js';
export { ChatInterceptor, type ChatHandler } from './interceptor.js';
export { settled, type Settlement } from './settled.js';
export { firstStop, StopSource, type StopSignal } from './stop-signal.js';
export { ifCode } from './if-code.js';
export { bounded } from './bounded.cache.js';
export { GenerationMap } from './generation.map.js';
