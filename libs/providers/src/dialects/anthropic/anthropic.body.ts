import type { ChatCall, FilePart, ImagePart, Part, Prompt, Target, Tool } from '@sluice/kernel';
import { Losses } from '../losses.js';
import { MIN_THINKING, isClaudes, mustNotThink, thinkingBudget } from '../thinking.js';
import { argumentsObject, conversationOf, defined, type PlacedPart, type Turn } from '../turns.js';

type Json = Record<string, unknown>;

/** When neither the caller nor the configuration says how much may be written. */
const DEFAULT_MAX_TOKENS = 4096;
/** Models that take an effort; older ones take a budget of tokens. */
const ADAPTIVE = /claude-[a-z]+-(?:4-[6-9]|[5-9])(?!\d)/;

/** The neutral prompt as a Messages body. */
export function messagesBody(call: ChatCall, target: Target): Json {
  const { prompt } = call;
  const losses = new Losses(call, target);
  losses.check(prompt, ['n', 'seed', 'frequencyPenalty', 'presencePenalty', 'logprobs']);
  if (prompt.responseFormat?.type === 'json') losses.field('responseFormat');
  const { system, turns } = conversationOf(prompt, losses);
  const thinking = thinkingOf(prompt, target, { turns, losses });
  const sampling = samplingOf(prompt, thinking, losses);
  const format = prompt.responseFormat;
  const config = defined({
    effort: thinking.effort,
    format:
      format?.type === 'json_schema' ? { type: 'json_schema', schema: format.schema } : undefined,
  });
  return defined({
    model: target.upstream,
    max_tokens: maxTokensOf(prompt, target, thinking.budget),
    system: system.length === 0 ? undefined : system.map((part) => textBlock(part.text, part)),
    messages: turns
      .map(({ role, parts }) => ({
        role,
        content: parts.map((placed) => block(placed, losses)).filter((b) => b !== undefined),
      }))
      .filter((turn) => turn.content.length > 0),
    tools: prompt.tools?.map(toolOf),
    tool_choice: toolChoice(prompt),
    thinking: thinking.config,
    output_config: Object.keys(config).length === 0 ? undefined : config,
    top_p: prompt.topP,
    ...sampling,
    stop_sequences: prompt.stop,
    metadata: prompt.user === undefined ? undefined : { user_id: prompt.user },
    stream: call.stream ? true : undefined,
  });
}

interface Thinking {
  readonly config?: Json;
  readonly effort?: string;
  readonly budget?: number;
}

function thinkingOf(
  prompt: Prompt,
  target: Target,
  { turns, losses }: { readonly turns: readonly Turn[]; readonly losses: Losses },
): Thinking {
  const { effort, budgetTokens } = prompt.reasoning ?? {};
  if (effort === 'none') return { config: { type: 'disabled' } };
  if (effort !== undefined && budgetTokens === undefined && ADAPTIVE.test(target.upstream)) {
    if (mustNotThink(prompt, turns, 'adaptive')) {
      losses.wish('reasoning');
      return {};
    }
    return { config: { type: 'adaptive' }, effort: effort === 'minimal' ? 'low' : effort };
  }
  const budget = thinkingBudget(prompt);
  if (budget !== undefined && mustNotThink(prompt, turns, 'budget')) {
    losses.wish('reasoning');
    return {};
  }
  return budget === undefined ? {} : { config: { type: 'enabled', budget_tokens: budget }, budget };
}

/** Claude's scale of temperatures ends at 1, and while it thinks it takes neither another temperature nor `top_k`. */
function samplingOf({ temperature, topK }: Prompt, thinking: Thinking, losses: Losses): Json {
  const thinks = thinking.config !== undefined && thinking.config.type !== 'disabled';
  const hot = temperature !== undefined && temperature > 1;
  const steered = thinks && temperature !== undefined && temperature !== 1;
  if (hot || steered) losses.field('temperature');
  if (thinks && topK !== undefined) losses.field('topK');
  return {
    temperature: steered ? undefined : hot ? 1 : temperature,
    top_k: thinks ? undefined : topK,
  };
}

/** `max_tokens` is required, and must leave room behind the thinking. */
function maxTokensOf(prompt: Prompt, target: Target, budget = 0): number {
  if (prompt.maxTokens !== undefined) return prompt.maxTokens;
  return Math.max(target.maxOutputTokens ?? DEFAULT_MAX_TOKENS, budget + MIN_THINKING);
}

function block({ part, message, index, at }: PlacedPart, losses: Losses): Json | undefined {
  switch (part.type) {
    case 'text':
      // Anthropic refuses empty text.
      return part.text === '' ? undefined : textBlock(part.text, part);
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'image':
      return imageBlock(part);
    case 'file':
      return documentBlock(part);
    case 'reasoning':
      return reasoningBlock(part);
    case 'tool_call':
      return {
        type: 'tool_use',
        id: toolId(part.id),
        name: part.name,
        input: argumentsObject(part.arguments),
        ...cacheOf(part),
      };
    case 'tool_result':
      return defined({
        type: 'tool_result',
        tool_use_id: toolId(part.callId),
        // A tool that says nothing: Anthropic refuses empty text.
        content: part.parts
          .filter((p) => p.type !== 'text' || p.text !== '')
          .map((p) => (p.type === 'text' ? textBlock(p.text, p) : imageBlock(p))),
        is_error: part.isError,
        ...cacheOf(part),
      });
    case 'audio':
      losses.part(message, index, at);
      return undefined;
  }
}

function textBlock(text: string, part: Pick<Part & { type: 'text' }, 'cache'>): Json {
  return { type: 'text', text, ...cacheOf(part) };
}

function cacheOf(part: { readonly cache?: { readonly ttl?: string } }): Json {
  if (part.cache === undefined) return {};
  const { ttl } = part.cache;
  return { cache_control: { type: 'ephemeral', ...(ttl === undefined ? {} : { ttl }) } };
}

function imageBlock(part: ImagePart): Json {
  const source =
    part.url === undefined
      ? { type: 'base64', media_type: part.mediaType ?? 'image/png', data: part.data ?? '' }
      : { type: 'url', url: part.url };
  return { type: 'image', source, ...cacheOf(part) };
}

function documentBlock(part: FilePart): Json {
  return defined({
    type: 'document',
    source: documentSource(part),
    title: part.name,
    ...cacheOf(part),
  });
}

function documentSource(part: FilePart): Json {
  if (part.fileId !== undefined) return { type: 'file', file_id: part.fileId };
  if (part.url !== undefined) return { type: 'url', url: part.url };
  const data = part.data ?? '';
  if (part.mediaType?.startsWith('text/') === true) {
    const text = Buffer.from(data, 'base64').toString('utf8');
    return { type: 'text', media_type: 'text/plain', data: text };
  }
  return { type: 'base64', media_type: part.mediaType ?? 'application/pdf', data };
}

/** Thinking comes back with its signature or not at all: Anthropic checks that it is its own. */
function reasoningBlock(part: Part & { type: 'reasoning' }): Json | undefined {
  if (part.redacted !== undefined) return { type: 'redacted_thinking', data: part.redacted };
  if (!isClaudes(part)) return undefined;
  return { type: 'thinking', thinking: part.text, signature: part.signature };
}

/** Other providers' ids may hold signs that Anthropic refuses. */
function toolId(id: string): string {
  return id.replace(/[^a-zA-Z0-9_-]/g, '_');
}

function toolOf(tool: Tool): Json {
  return defined({
    name: tool.name,
    description: tool.description,
    input_schema: { type: 'object', ...(tool.parameters ?? { properties: {} }) },
    strict: tool.strict === true ? true : undefined,
    ...cacheOf(tool),
  });
}

function toolChoice({ tools, toolChoice: choice, parallelToolCalls }: Prompt): Json | undefined {
  if (tools === undefined) return undefined;
  const single = parallelToolCalls === false ? { disable_parallel_tool_use: true } : {};
  if (choice === undefined) {
    return parallelToolCalls === false ? { type: 'auto', ...single } : undefined;
  }
  if (choice.type === 'tool') return { type: 'tool', name: choice.name, ...single };
  if (choice.type === 'none') return { type: 'none' };
  return { type: choice.type === 'required' ? 'any' : 'auto', ...single };
}
