import type { Message, Part, Prompt } from '@sluice/kernel';

const IMAGE_TOKENS = 800;
const PER_MESSAGE = 4;

/**
 * Tokens of a text by its length alone: four characters of Latin text a token, about one for other scripts.
 * Good to some 20 % on prose; limits and bills use the real tokenizer.
 */
export function estimateTokens(text: string): number {
  if (text.length === 0) return 0;
  // UTF-8 length tells the scripts apart without walking the text in JavaScript.
  const bytes = Buffer.byteLength(text, 'utf8');
  const extra = bytes - text.length;
  return Math.ceil((text.length - extra / 2) / 4 + extra / 2);
}

export function estimatePromptTokens(prompt: Prompt): number {
  let tokens = 3;
  for (const message of prompt.messages) tokens += messageTokens(message);
  for (const tool of prompt.tools ?? []) {
    tokens += 12 + estimateTokens(tool.name) + estimateTokens(tool.description ?? '');
    tokens += schemaSize(tool.parameters, 0) / 4;
  }
  return Math.ceil(tokens);
}

function messageTokens(message: Message): number {
  let tokens = PER_MESSAGE;
  for (const part of message.parts) tokens += partTokens(part);
  return tokens;
}

function partTokens(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return estimateTokens(part.text);
    case 'image':
      return IMAGE_TOKENS;
    case 'tool_call':
      return 8 + estimateTokens(part.arguments);
    case 'tool_result':
      return part.parts.reduce((sum, inner) => sum + partTokens(inner), 4);
    case 'file':
      return IMAGE_TOKENS + (part.data?.length ?? 0) / 16;
    case 'audio':
      return part.data.length / 64;
  }
}

/** Characters of a JSON schema, without building its text; depth-bounded because callers write it. */
function schemaSize(value: unknown, depth: number): number {
  if (depth > 16) return 0;
  if (typeof value === 'string') return value.length + 3;
  if (typeof value !== 'object' || value === null) return 4;
  let size = 2;
  for (const [key, inner] of Object.entries(value))
    size += key.length + 4 + schemaSize(inner, depth + 1);
  return size;
}
