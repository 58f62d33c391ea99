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

/** Capabilities that a model must have to take this prompt at all. */
export function needsOf(prompt: Prompt): Capability[] {
  return [...placesOf(prompt).keys()];
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
  for (const [capability, place] of placesOf(call.prompt)) {
    if (capabilities.includes(capability)) continue;
    const param = paramOf(call, place);
    throw incapable(
      param,
      `The model \`${model}\` does not support \`${param}\`: it is not declared to be capable of ${capability}.`,
    );
  }
}

/** May this model take the work of another? It must declare what is needed: the caller has not asked for it. */
export function isCapable(call: ChatCall, { capabilities }: Target, work: Work): boolean {
  // Models that make embeddings are listed as fallbacks of each other alone, declared or not.
  if (work === 'embeddings')
    return capabilities.length === 0 || capabilities.includes('embeddings');
  return needsOf(call.prompt).every((need) => capabilities.includes(need));
}

function incapable(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param, shouldRetry: false });
}

/** Each capability that is needed, and the first place that needs it. */
function placesOf(prompt: Prompt): Map<Capability, Place> {
  const places = new Map<Capability, Place>();
  const note = (capability: Capability, place: Place): void => {
    if (!places.has(capability)) places.set(capability, place);
  };
  if ((prompt.tools?.length ?? 0) > 0 && prompt.toolChoice?.type !== 'none') note('tools', 'tools');
  if (prompt.responseFormat !== undefined && prompt.responseFormat.type !== 'text')
    note('json', 'responseFormat');
  if (asksToReason(prompt)) note('reasoning', 'reasoning');
  for (const [index, message] of prompt.messages.entries()) {
    for (const [at, part] of message.parts.entries()) {
      const need = needOf(part);
      if (need !== undefined) note(need, { index, part: at });
    }
  }
  return places;
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
