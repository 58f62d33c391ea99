import { hash } from 'node:crypto';
import type { FinishReason, Part, Prompt, Tool, ToolCallPart } from '@sluice/kernel';
import type { TokenCounter } from '@sluice/model-catalog';
import type { SandboxDirective } from './sandbox.directive.js';
import { exampleOf } from './schema.example.js';
import { proseTokens } from './sandbox.text.js';

/** One choice, ready to be told at any speed. */
export interface SandboxChoice {
  readonly parts: readonly Part[];
  readonly finish: FinishReason;
  readonly stopSequence?: string;
  /** The answer in the pieces that a stream brings: a token each, or less. */
  readonly pieces: readonly string[];
  readonly tool: ToolCallPart | undefined;
  readonly tokens: number;
}

export interface SandboxAnswer {
  readonly id: string;
  readonly choices: readonly SandboxChoice[];
}

const SHORTEST = 24;
const SPREAD = 25;
const DIGEST_CHARACTERS = 8;

/** The answer to a prompt: a function of the request and the model's name alone. */
export async function answerTo(
  prompt: Prompt,
  model: string,
  options: { readonly directive: SandboxDirective; readonly tokens: TokenCounter },
): Promise<SandboxAnswer> {
  const digest = promptDigest(prompt, model);
  const choices = await Promise.all(
    Array.from({ length: prompt.n ?? 1 }, (_, index) => {
      const seed = (parseInt(digest.slice(0, DIGEST_CHARACTERS), 16) + index) >>> 0;
      return choiceOf(prompt, seed, options);
    }),
  );
  return { id: `sandbox-${digest.slice(0, 24)}`, choices };
}

export function promptDigest(prompt: Prompt, model: string): string {
  return hash('sha256', `${model}\n${JSON.stringify(prompt)}`, 'hex');
}

async function choiceOf(
  prompt: Prompt,
  seed: number,
  { directive, tokens }: { readonly directive: SandboxDirective; readonly tokens: TokenCounter },
): Promise<SandboxChoice> {
  const tool = chosenTool(prompt);
  if (tool !== undefined) return toolChoice(tool, seed, tokens);
  const format = prompt.responseFormat;
  if (format !== undefined && format.type !== 'text') {
    const value = format.type === 'json' ? { answer: 'sandbox' } : exampleOf(format.schema);
    return textChoice(JSON.stringify(value), prompt, tokens);
  }
  const wanted = directive.tokens ?? SHORTEST + (seed % SPREAD);
  const allowed = Math.min(wanted, prompt.maxTokens ?? wanted);
  const pieces = proseTokens(allowed, seed);
  const text = pieces.join('');
  const stop = firstStop(text, prompt.stop ?? []);
  if (stop !== undefined) {
    const kept = text.slice(0, stop.at);
    return {
      ...plain(kept, cutPieces(pieces, kept.length), await tokens.count(kept)),
      finish: 'stop',
      stopSequence: stop.sequence,
    };
  }
  return { ...plain(text, pieces, allowed), finish: allowed < wanted ? 'length' : 'stop' };
}

function plain(
  text: string,
  pieces: readonly string[],
  tokens: number,
): Omit<SandboxChoice, 'finish'> {
  return { parts: text === '' ? [] : [{ type: 'text', text }], pieces, tool: undefined, tokens };
}

/** A text that is not made of known tokens, shortened to what is allowed. */
async function textChoice(
  whole: string,
  prompt: Prompt,
  tokens: TokenCounter,
): Promise<SandboxChoice> {
  const limit = prompt.maxTokens ?? Infinity;
  let text = whole;
  let count = await tokens.count(text);
  while (count > limit) {
    text = text.slice(0, Math.min(text.length - 1, Math.floor((text.length * limit) / count)));
    count = await tokens.count(text);
  }
  return {
    ...plain(text, text.match(/[\s\S]{1,4}/g) ?? [], count),
    finish: text.length < whole.length ? 'length' : 'stop',
  };
}

async function toolChoice(tool: Tool, seed: number, tokens: TokenCounter): Promise<SandboxChoice> {
  const call: ToolCallPart = {
    type: 'tool_call',
    id: `call_${seed.toString(16).padStart(8, '0')}`,
    name: tool.name,
    arguments: JSON.stringify(exampleOf(tool.parameters ?? { type: 'object' })),
  };
  return {
    parts: [call],
    finish: 'tool_calls',
    pieces: call.arguments.match(/[\s\S]{1,8}/g) ?? [],
    tool: call,
    tokens: await tokens.count(call.name + call.arguments),
  };
}

/** Tools are called only when the caller insists. */
function chosenTool({ tools, toolChoice: choice }: Prompt): Tool | undefined {
  if (choice?.type === 'tool') return tools?.find((tool) => tool.name === choice.name);
  return choice?.type === 'required' ? tools?.[0] : undefined;
}

function firstStop(
  text: string,
  stops: readonly string[],
): { at: number; sequence: string } | undefined {
  let first: { at: number; sequence: string } | undefined;
  for (const sequence of stops) {
    const at = sequence === '' ? -1 : text.indexOf(sequence);
    if (at !== -1 && (first === undefined || at < first.at)) first = { at, sequence };
  }
  return first;
}

function cutPieces(pieces: readonly string[], length: number): string[] {
  const kept: string[] = [];
  let left = length;
  for (const piece of pieces) {
    if (left <= 0) break;
    kept.push(piece.slice(0, left));
    left -= piece.length;
  }
  return kept;
}
