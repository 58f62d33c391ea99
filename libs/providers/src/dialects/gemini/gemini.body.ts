import type { ChatCall, FilePart, ImagePart, Part, Prompt, Target, Tool } from '@sluice/kernel';
import { textOf } from '@sluice/kernel';
import { Losses } from '../losses.js';
import {
  GEMINI_SIGNATURE,
  argumentsObject,
  conversationOf,
  defined,
  type Conversation,
  type PlacedPart,
  type Turn,
} from '../turns.js';

type Json = Record<string, unknown>;

const BUDGETS: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};
/** The only places that Gemini fetches files from. */
const OWN_FILES = /^(?:gs:\/\/|https:\/\/generativelanguage\.googleapis\.com\/)/;

/** The neutral prompt as a generateContent body. */
export function contentBody(call: ChatCall, target: Target): Json {
  const { prompt } = call;
  const losses = new Losses(call, target);
  losses.check(prompt, ['parallelToolCalls']);
  const conversation = conversationOf(prompt, losses);
  const names = toolNames(conversation);
  const { system, turns } = conversation;
  return defined({
    systemInstruction:
      system.length === 0 ? undefined : { parts: system.map(({ text }) => ({ text })) },
    contents: turns.map((turn) => contentOf(turn, names, losses)).filter((c) => c.parts.length > 0),
    tools:
      prompt.tools === undefined
        ? undefined
        : [{ functionDeclarations: prompt.tools.map(declaration) }],
    toolConfig: toolConfig(prompt),
    generationConfig: generationConfig(prompt),
  });
}

/** Gemini answers a call by its name, which a result need not carry elsewhere. */
function toolNames({ turns }: Conversation): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { parts } of turns) {
    for (const { part } of parts) if (part.type === 'tool_call') names.set(part.id, part.name);
  }
  return names;
}

function contentOf(
  turn: Turn,
  names: ReadonlyMap<string, string>,
  losses: Losses,
): { role: string; parts: Json[] } {
  const parts: Json[] = [];
  let signature: string | undefined;
  for (const placed of turn.parts) {
    if (placed.part.type === 'reasoning') {
      signature = signatureOf(placed.part) ?? signature;
      continue;
    }
    const own = partsOf(placed, names, losses);
    // A signature belongs to the part that follows the thought.
    if (signature !== undefined && own[0] !== undefined) {
      own[0] = { ...own[0], thoughtSignature: signature };
      signature = undefined;
    }
    parts.push(...own);
  }
  if (signature !== undefined) parts.push({ text: '', thoughtSignature: signature });
  return { role: turn.role === 'assistant' ? 'model' : 'user', parts };
}

function signatureOf(part: Part & { type: 'reasoning' }): string | undefined {
  return part.signature?.startsWith(GEMINI_SIGNATURE) === true
    ? part.signature.slice(GEMINI_SIGNATURE.length)
    : undefined;
}

function partsOf(
  { part, message, index, at }: PlacedPart,
  names: ReadonlyMap<string, string>,
  losses: Losses,
): Json[] {
  const lost = (): Json[] => {
    losses.part(message, index, at);
    return [];
  };
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }];
    case 'image':
    case 'file': {
      const media = mediaOf(part);
      return media === undefined ? lost() : [media];
    }
    case 'audio':
      return [{ inlineData: { mimeType: `audio/${part.format}`, data: part.data } }];
    case 'tool_call': {
      const args = argumentsObject(part.arguments);
      return [{ functionCall: { id: part.id, name: part.name, args } }];
    }
    case 'tool_result': {
      if (part.parts.some((p) => p.type === 'image')) lost();
      const name = part.name ?? names.get(part.callId) ?? part.callId;
      const key = part.isError === true ? 'error' : 'output';
      const response = { [key]: textOf(part.parts) };
      return [{ functionResponse: { id: part.callId, name, response } }];
    }
    case 'reasoning':
      return [];
  }
}

function mediaOf(part: ImagePart | FilePart): Json | undefined {
  if (part.data !== undefined) {
    const fallback = part.type === 'image' ? 'image/png' : 'application/pdf';
    return { inlineData: { mimeType: part.mediaType ?? fallback, data: part.data } };
  }
  if (part.url === undefined || !OWN_FILES.test(part.url)) return undefined;
  return { fileData: defined({ mimeType: part.mediaType, fileUri: part.url }) };
}

function declaration(tool: Tool): Json {
  return defined({
    name: tool.name,
    description: tool.description,
    parametersJsonSchema: tool.parameters,
  });
}

function toolConfig({ tools, toolChoice }: Prompt): Json | undefined {
  if (tools === undefined) return undefined;
  // VALIDATED is Gemini's promise that arguments match their schema, which is what `strict` asks for.
  const strict = tools.some((tool) => tool.strict === true);
  switch (toolChoice?.type) {
    case undefined:
    case 'auto':
      return strict ? { functionCallingConfig: { mode: 'VALIDATED' } } : undefined;
    case 'none':
      return { functionCallingConfig: { mode: 'NONE' } };
    case 'required':
      return { functionCallingConfig: { mode: 'ANY' } };
    case 'tool':
      return { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [toolChoice.name] } };
  }
}

function generationConfig(prompt: Prompt): Json | undefined {
  const format = prompt.responseFormat;
  const json = format?.type === 'json' || format?.type === 'json_schema';
  const config = defined({
    temperature: prompt.temperature,
    topP: prompt.topP,
    topK: prompt.topK,
    maxOutputTokens: prompt.maxTokens,
    stopSequences: prompt.stop,
    candidateCount: prompt.n,
    seed: prompt.seed,
    frequencyPenalty: prompt.frequencyPenalty,
    presencePenalty: prompt.presencePenalty,
    responseLogprobs: prompt.logprobs,
    logprobs: prompt.topLogprobs,
    responseMimeType: json ? 'application/json' : undefined,
    responseJsonSchema: format?.type === 'json_schema' ? format.schema : undefined,
    thinkingConfig: thinkingConfig(prompt),
  });
  return Object.keys(config).length === 0 ? undefined : config;
}

function thinkingConfig({ reasoning }: Prompt): Json | undefined {
  const { effort, budgetTokens } = reasoning ?? {};
  const budget = budgetTokens ?? (effort === undefined ? undefined : BUDGETS[effort]);
  if (budget === undefined) return undefined;
  return { thinkingBudget: budget, ...(budget === 0 ? {} : { includeThoughts: true }) };
}
