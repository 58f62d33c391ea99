import type { Capability, Prompt } from '@sluice/kernel';

/** Capabilities that a model must have to take this prompt at all. */
export function needsOf(prompt: Prompt): Capability[] {
  const needs = new Set<Capability>();
  if ((prompt.tools?.length ?? 0) > 0 && prompt.toolChoice?.type !== 'none') needs.add('tools');
  if (prompt.responseFormat !== undefined && prompt.responseFormat.type !== 'text')
    needs.add('json');
  for (const message of prompt.messages) {
    for (const part of message.parts) {
      if (part.type === 'image') needs.add('vision');
      else if (part.type === 'file') needs.add('files');
      else if (part.type === 'audio') needs.add('audio');
      else if (part.type === 'tool_result' && part.parts.some((p) => p.type === 'image'))
        needs.add('vision');
    }
  }
  return [...needs];
}
