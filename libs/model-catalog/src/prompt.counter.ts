import { Injectable } from '@nestjs/common';
import type { ImagePart, Part, Prompt } from '@sluice/kernel';
import { TokenCounter } from './token.counter.js';

/** What OpenAI's format adds around each message, for a name, and before the answer. */
const PER_MESSAGE = 3;
const PER_NAME = 1;
const PER_ANSWER = 3;
const PER_TOOL = 8;
/** OpenAI's tiles: a low image, and 1024 × 1024 at high detail where the size is not known. */
const LOW_IMAGE = 85;
const IMAGE = 765;
/** Base64 characters per token of sound (about 10 tokens a second) and of documents (about 2,000 tokens a page). */
const AUDIO_CHARACTERS = 2_000;
const FILE_CHARACTERS = 50;
const UNSEEN_FILE = 2_000;

interface Pieces {
  readonly texts: readonly string[];
  /** Tokens that are not text. */
  readonly fixed: number;
}

/** How many tokens a prompt has, by OpenAI's published rules; media are estimates. */
@Injectable()
export class PromptCounter {
  constructor(private readonly tokens: TokenCounter) {}

  /** Never rejects; a promise only for long texts. Nothing is kept of a short prompt: whoever asks twice counts twice. */
  countPrompt(prompt: Prompt): number | Promise<number> {
    const { texts, fixed } = piecesOf(prompt);
    const counted = this.tokens.countAll(texts);
    return typeof counted === 'number' ? fixed + counted : counted.then((tokens) => fixed + tokens);
  }

  /** At once: exact for parts that were counted before, estimated for the others. */
  countPromptNow(prompt: Prompt): { readonly tokens: number; readonly exact: boolean } {
    const { texts, fixed } = piecesOf(prompt);
    let tokens = fixed;
    let exact = true;
    for (const text of texts) {
      const part = this.tokens.countNow(text);
      tokens += part.tokens;
      exact &&= part.exact;
    }
    return { tokens, exact };
  }
}

function piecesOf(prompt: Prompt): Pieces {
  const texts: string[] = [];
  let fixed = PER_ANSWER;
  for (const message of prompt.messages) {
    fixed += PER_MESSAGE;
    if (message.name !== undefined) {
      fixed += PER_NAME;
      texts.push(message.name);
    }
    for (const part of message.parts) fixed += addPart(part, texts);
  }
  for (const tool of prompt.tools ?? []) {
    fixed += PER_TOOL;
    texts.push(tool.name, tool.description ?? '');
    if (tool.parameters !== undefined) texts.push(JSON.stringify(tool.parameters));
  }
  if (prompt.responseFormat?.type === 'json_schema') {
    texts.push(JSON.stringify(prompt.responseFormat.schema));
  }
  return { texts, fixed };
}

/** Adds the part's texts; returns its tokens that are not text. */
function addPart(part: Part, texts: string[]): number {
  switch (part.type) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      texts.push(part.text);
      return 0;
    case 'tool_call':
      texts.push(part.name, part.arguments);
      return PER_MESSAGE;
    case 'tool_result':
      return part.parts.reduce((sum, inner) => sum + addPart(inner, texts), PER_MESSAGE);
    case 'image':
      return imageTokens(part);
    case 'audio':
      return Math.ceil(part.data.length / AUDIO_CHARACTERS);
    case 'file':
      return part.data === undefined ? UNSEEN_FILE : Math.ceil(part.data.length / FILE_CHARACTERS);
  }
}

function imageTokens({ detail }: ImagePart): number {
  return detail === 'low' ? LOW_IMAGE : IMAGE;
}
