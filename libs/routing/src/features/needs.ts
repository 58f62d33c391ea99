import {
  fieldParam,
  GatewayError,
  partParam,
  type Capability,
  type ChatCall,
  type Part,
  type Prompt,
  type PromptField,
  type Target,
} from '@sluice/kernel';

/** What a request is for: an answer, or the vectors of its texts. */
export type Work = 'chat' | 'embeddings';

type Place = PromptField | { readonly index: number; readonly part: number };

/** A capability that is needed, and a place that needs it. */
interface Need {
  readonly capability: Capability;
  readonly place: Place;
}

/** Capabilities that a model must have to take this prompt at all. */
export function needsOf(prompt: Prompt): Capability[] {
  const needs: Capability[] = [];
  for (;;) {
    const next = missing(prompt, needs);
    if (next === undefined) return needs;
    needs.push(next.capability);
  }
}

/**
 * Refuses what the model itself says it cannot do, before anything is reserved upstream or paid for. A model whose
 * capabilities nobody has written down may be able to do anything: its upstream decides.
 * @throws GatewayError invalid_request naming the field in the caller's own notation
 */
export function assertCapable(call: ChatCall, target: Target, work: Work): void {
  const { capabilities, model } = target;
  // Whether a model makes vectors of texts its provider says, at no cost; many answer and embed.
  if (capabilities.length === 0 || work === 'embeddings') return;
  if (capabilities.every((capability) => capability === 'embeddings')) {
    throw incapable('model', `The model \`${model}\` makes embeddings only.`);
  }
  const need = missing(call.prompt, capabilities);
  if (need === undefined) return;
  const param = paramOf(call, need.place);
  throw incapable(
    param,
    `The model \`${model}\` does not support \`${param}\`: it is not declared to be capable of ${need.capability}.`,
  );
}

/** May this model take the work of another? It must declare what is needed: the caller has not asked for it. */
export function isCapable(call: ChatCall, { capabilities }: Target, work: Work): boolean {
  // Models that make embeddings are listed as fallbacks of each other alone, declared or not.
  if (work === 'embeddings')
    return capabilities.length === 0 || capabilities.includes('embeddings');
  return missing(call.prompt, capabilities) === undefined;
}

function incapable(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param, shouldRetry: false });
}

/** The first place that needs another capability than these. Makes nothing when there is none, as for most prompts. */
function missing(prompt: Prompt, present: readonly Capability[]): Need | undefined {
  const { tools, toolChoice, responseFormat, messages } = prompt;
  if (tools !== undefined && tools.length > 0 && toolChoice?.type !== 'none') {
    if (!present.includes('tools')) return { capability: 'tools', place: 'tools' };
  }
  if (responseFormat !== undefined && responseFormat.type !== 'text') {
    if (!present.includes('json')) return { capability: 'json', place: 'responseFormat' };
  }
  if (asksToReason(prompt) && !present.includes('reasoning')) {
    return { capability: 'reasoning', place: 'reasoning' };
  }
  for (let index = 0; index < messages.length; index += 1) {
    const parts = messages[index]?.parts ?? [];
    for (let at = 0; at < parts.length; at += 1) {
      const part = parts[at];
      const capability = part === undefined ? undefined : needOf(part);
      if (capability !== undefined && !present.includes(capability)) {
        return { capability, place: { index, part: at } };
      }
    }
  }
  return undefined;
}

function asksToReason({ reasoning }: Prompt): boolean {
  if (reasoning === undefined || reasoning.effort === 'none') return false;
  return reasoning.effort !== undefined || reasoning.budgetTokens !== undefined;
}

function needOf(part: Part): Capability | undefined {
  switch (part.type) {
    case 'image':
      return 'vision';
    case 'file':
      return 'files';
    case 'audio':
      return 'audio';
    case 'tool_result':
      return part.parts.some((p) => p.type === 'image') ? 'vision' : undefined;
    default:
      return undefined;
  }
}

function paramOf(call: ChatCall, place: Place): string {
  if (typeof place === 'string') return fieldParam(call.dialect, place);
  const message = call.prompt.messages[place.index];
  return message === undefined ? 'messages' : partParam(call.dialect, message, place);
}
