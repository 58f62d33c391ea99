/**
 * The neutral form of a conversation: the meeting point of all wire dialects. It holds what at least
 * two dialects can say; everything else stays in the caller's raw body and survives on pass-through.
 */
export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

/** A prompt-cache marker after this part (Anthropic `cache_control`, Bedrock `cachePoint`). */
export interface CacheMark {
  readonly ttl?: '5m' | '1h';
}

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
  readonly cache?: CacheMark;
}
export interface ImagePart {
  readonly type: 'image';
  /** `https:` URL, or absent when `data` holds the bytes. */
  readonly url?: string;
  /** Base64 without the `data:` prefix. */
  readonly data?: string;
  /** MIME type of `data`, for example `image/png`. */
  readonly mediaType?: string;
  readonly detail?: 'auto' | 'low' | 'high';
  readonly cache?: CacheMark;
}
export interface FilePart {
  readonly type: 'file';
  readonly name?: string;
  readonly url?: string;
  readonly data?: string;
  readonly mediaType?: string;
  /** Id of a file stored at the provider. */
  readonly fileId?: string;
  readonly cache?: CacheMark;
}
export interface AudioPart {
  readonly type: 'audio';
  readonly data: string;
  readonly format: string;
}
export interface ToolCallPart {
  readonly type: 'tool_call';
  readonly id: string;
  readonly name: string;
  /** JSON text exactly as the model wrote it; may be invalid JSON. */
  readonly arguments: string;
  readonly cache?: CacheMark;
}
export interface ToolResultPart {
  readonly type: 'tool_result';
  readonly callId: string;
  readonly name?: string;
  readonly parts: readonly (TextPart | ImagePart)[];
  readonly isError?: boolean;
  readonly cache?: CacheMark;
}
export interface ReasoningPart {
  readonly type: 'reasoning';
  readonly text: string;
  /** The provider's signature over the thinking block; must be returned unchanged. */
  readonly signature?: string;
  /** Encrypted reasoning the provider gives without its text. */
  readonly redacted?: string;
  /** Item id in the Responses API. */
  readonly id?: string;
}
export interface RefusalPart {
  readonly type: 'refusal';
  readonly text: string;
}
export type Part =
  | TextPart
  | ImagePart
  | FilePart
  | AudioPart
  | ToolCallPart
  | ToolResultPart
  | ReasoningPart
  | RefusalPart;

export interface Message {
  readonly role: Role;
  readonly parts: readonly Part[];
  readonly name?: string;
}

export interface Tool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of the arguments. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly strict?: boolean;
  readonly cache?: CacheMark;
}

export type ToolChoice =
  | { readonly type: 'auto' | 'none' | 'required' }
  | { readonly type: 'tool'; readonly name: string };

export type ResponseFormat =
  | { readonly type: 'text' }
  | { readonly type: 'json' }
  | {
      readonly type: 'json_schema';
      readonly name: string;
      readonly schema: Readonly<Record<string, unknown>>;
      readonly strict?: boolean;
      readonly description?: string;
    };

export interface Reasoning {
  readonly effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';
  readonly budgetTokens?: number;
  readonly summary?: string;
}

export interface Prompt {
  readonly messages: readonly Message[];
  readonly tools?: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly responseFormat?: ResponseFormat;
  readonly reasoning?: Reasoning;
  /** Upper bound of generated tokens, reasoning included. */
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  /** How many choices are asked for; 1 when absent. */
  readonly n?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly logprobs?: boolean;
  readonly topLogprobs?: number;
  /** The end user's id as the caller states it. */
  readonly user?: string;
  /**
   * Fields of the caller's body, in its own notation (`logit_bias`, `messages[0].audio`), that the neutral form
   * cannot hold. They survive on pass-through; a target that speaks another dialect refuses or drops them.
   */
  readonly untranslated?: readonly string[];
}

/** The text of a message's text parts, joined by newlines. */
export function textOf(parts: readonly Part[]): string {
  let out = '';
  for (const part of parts) {
    if (part.type === 'text') out = out === '' ? part.text : `${out}\n${part.text}`;
  }
  return out;
}

/** The last message with role `user`, or undefined. */
export function lastUserMessage(prompt: Prompt): Message | undefined {
  return prompt.messages.findLast((m) => m.role === 'user');
}
