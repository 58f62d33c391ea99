import type {
  ChatCall,
  Message,
  Part,
  Prompt,
  ResponseFormat,
  Target,
  Tool,
  ToolCallPart,
  ToolResultPart,
} from '@sluice/kernel';
import { textOf } from '@sluice/kernel';
import { Losses } from '../losses.js';

type Json = Record<string, unknown>;

/** One message on its way, and where losses in it are told. */
interface Placed {
  readonly message: Message;
  readonly index: number;
  readonly losses: Losses;
  /** The role's name at this server. */
  readonly role: string;
}

/** The neutral prompt as a Chat Completions body. */
export function completionBody(call: ChatCall, target: Target, ownModels: boolean): Json {
  const { prompt } = call;
  const losses = new Losses(call, target);
  // Servers of the open models take `top_k`, OpenAI's own do not.
  losses.check(prompt, ownModels ? ['topK'] : []);
  return compact({
    model: target.upstream,
    messages: prompt.messages.flatMap((message, index) => {
      // The word is OpenAI's own; the templates of open models know only the older one.
      const role = message.role === 'developer' && !ownModels ? 'system' : message.role;
      return messagesOf({ message, index, losses, role });
    }),
    tools: prompt.tools?.map(toolOf),
    tool_choice: toolChoiceOf(prompt),
    parallel_tool_calls: prompt.tools === undefined ? undefined : prompt.parallelToolCalls,
    response_format: formatOf(prompt.responseFormat),
    reasoning_effort: effortOf(prompt),
    [ownModels ? 'max_completion_tokens' : 'max_tokens']: prompt.maxTokens,
    temperature: prompt.temperature,
    top_p: prompt.topP,
    top_k: ownModels ? undefined : prompt.topK,
    stop: prompt.stop,
    seed: prompt.seed,
    n: prompt.n,
    frequency_penalty: prompt.frequencyPenalty,
    presence_penalty: prompt.presencePenalty,
    logprobs: prompt.logprobs,
    top_logprobs: prompt.topLogprobs,
    user: prompt.user,
  });
}

function messagesOf(placed: Placed): Json[] {
  const { message, role } = placed;
  const out: Json[] = [];
  // Results of tools are messages of their own here, whatever message they came in.
  for (const [at, part] of message.parts.entries())
    if (part.type === 'tool_result') out.push(toolMessage(part, at, placed));
  const rest = message.parts.some((part) => part.type !== 'tool_result');
  if (role === 'tool' || (!rest && out.length > 0)) return out;
  const name = message.name === undefined ? {} : { name: message.name };
  if (role === 'assistant') out.push({ ...assistantMessage(placed), ...name });
  else out.push({ role, content: contentOf(placed), ...name });
  return out;
}

function toolMessage(part: ToolResultPart, at: number, { message, index, losses }: Placed): Json {
  if (part.parts.some((p) => p.type === 'image')) losses.part(message, index, at);
  const text = textOf(part.parts);
  return {
    role: 'tool',
    tool_call_id: part.callId,
    // Chat Completions has no flag for a failed tool; the model must read it.
    content: part.isError === true ? `Error: ${text}` : text,
  };
}

function assistantMessage({ message, index, losses }: Placed): Json {
  const { parts } = message;
  const calls = parts.filter((part): part is ToolCallPart => part.type === 'tool_call');
  const refusal = parts.find((part) => part.type === 'refusal');
  for (const [at, part] of parts.entries()) {
    if (part.type === 'image' || part.type === 'file' || part.type === 'audio')
      losses.part(message, index, at);
  }
  // Earlier reasoning is dropped without a word: signed blocks mean something to their own provider alone.
  const text = textOf(parts);
  return compact({
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== undefined) ? null : text,
    refusal: refusal?.text,
    tool_calls:
      calls.length === 0
        ? undefined
        : calls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: call.arguments },
          })),
  });
}

function contentOf({ message, index, losses }: Placed): string | Json[] {
  // Several texts stay several: the order and number of system blocks mean something to prompt caches.
  const parts = message.parts.filter((part) => part.type !== 'tool_result');
  const [only] = parts;
  if (parts.length <= 1 && (only === undefined || only.type === 'text')) return only?.text ?? '';
  const content: Json[] = [];
  for (const [at, part] of message.parts.entries()) {
    if (part.type === 'tool_result') continue;
    const wire = contentPart(part);
    if (wire === undefined) losses.part(message, index, at);
    else content.push(wire);
  }
  return content;
}

function contentPart(part: Part): Json | undefined {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image':
      return {
        type: 'image_url',
        image_url: compact({
          url: part.url ?? `data:${part.mediaType ?? 'image/png'};base64,${part.data ?? ''}`,
          detail: part.detail,
        }),
      };
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.data, format: part.format } };
    case 'file':
      if (part.url !== undefined) return undefined;
      return {
        type: 'file',
        file: compact({
          filename: part.name ?? (part.data === undefined ? undefined : 'file'),
          file_id: part.fileId,
          file_data:
            part.data === undefined
              ? undefined
              : `data:${part.mediaType ?? 'application/pdf'};base64,${part.data}`,
        }),
      };
    default:
      return undefined;
  }
}

function toolOf(tool: Tool): Json {
  return {
    type: 'function',
    function: compact({
      name: tool.name,
      description: tool.description,
      parameters: tool.parameters,
      strict: tool.strict,
    }),
  };
}

function toolChoiceOf({ toolChoice, tools }: Prompt): unknown {
  if (toolChoice === undefined || tools === undefined) return undefined;
  return toolChoice.type === 'tool'
    ? { type: 'function', function: { name: toolChoice.name } }
    : toolChoice.type;
}

function formatOf(format: ResponseFormat | undefined): Json | undefined {
  if (format === undefined) return undefined;
  if (format.type === 'text') return { type: 'text' };
  if (format.type === 'json') return { type: 'json_object' };
  const { name, schema, strict, description } = format;
  return { type: 'json_schema', json_schema: compact({ name, description, schema, strict }) };
}

/** A budget of thinking tokens as the nearest effort: Chat Completions knows only words. */
function effortOf({ reasoning }: Prompt): string | undefined {
  if (reasoning === undefined) return undefined;
  if (reasoning.effort !== undefined)
    return reasoning.effort === 'max' ? 'xhigh' : reasoning.effort;
  if (reasoning.budgetTokens === undefined) return undefined;
  if (reasoning.budgetTokens <= 4_096) return 'low';
  return reasoning.budgetTokens <= 16_384 ? 'medium' : 'high';
}

function compact(body: Json): Json {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
