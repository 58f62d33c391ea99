import type { ImagePart, Message, Part, ReasoningPart, Role, TextPart } from '@sluice/kernel';
import {
  compact,
  invalid,
  optionalArray,
  optionalString,
  requireArray,
  requireObject,
  requireOneOf,
  requireString,
  type Json,
} from './field.check.js';
import { cacheMark, fileBytes, imageDetail, splitDataUrl } from './openai-content.parse.js';

/** Marks `encrypted_content` that is another provider's signature over readable text. */
export const SIGNATURE_PREFIX = 'signature:';

const ROLES = ['user', 'assistant', 'system', 'developer'] as const;

/**
 * Puts the items of `input` together as messages: what the model said in one turn (reasoning, text, calls) comes as
 * several items and is one message everywhere else.
 */
export class InputReader {
  readonly #messages: { role: Role; parts: Part[] }[] = [];
  readonly #untranslated: string[];

  constructor(untranslated: string[]) {
    this.#untranslated = untranslated;
  }

  messages(): readonly Message[] {
    return this.#messages;
  }

  read(input: unknown): void {
    if (typeof input === 'string') {
      this.#messages.push({ role: 'user', parts: [{ type: 'text', text: input }] });
      return;
    }
    const items = requireArray(input, 'input');
    if (items.length === 0) throw invalid('input', "'input' must hold at least one item.");
    for (const [i, raw] of items.entries()) {
      const at = `input[${i}]`;
      this.#item(requireObject(raw, at), at);
    }
  }

  #item(item: Json, at: string): void {
    const type = item.type ?? 'message';
    switch (type) {
      case 'message':
        this.#message(item, at);
        return;
      case 'reasoning':
        this.#assistant().push(reasoningItem(item, at));
        return;
      case 'function_call':
        this.#assistant().push({
          type: 'tool_call',
          id: requireString(item.call_id, `${at}.call_id`),
          name: requireString(item.name, `${at}.name`),
          arguments: requireString(item.arguments, `${at}.arguments`),
        });
        return;
      case 'function_call_output':
        this.#messages.push({
          role: 'tool',
          parts: [
            {
              type: 'tool_result',
              callId: requireString(item.call_id, `${at}.call_id`),
              parts: this.#output(item.output, `${at}.output`),
            },
          ],
        });
        return;
      default:
        requireString(type, `${at}.type`);
        this.#untranslated.push(at);
    }
  }

  #message(item: Json, at: string): void {
    const role = requireOneOf(item.role, ROLES, `${at}.role`);
    const parts = this.#content(item.content, `${at}.content`);
    if (role !== 'assistant') {
      this.#messages.push({ role, parts });
      return;
    }
    const open = this.#messages.at(-1);
    const spoken = open?.parts.some((p) => p.type !== 'reasoning') ?? true;
    if (open?.role === 'assistant' && !spoken) open.parts.push(...parts);
    else this.#messages.push({ role, parts });
  }

  /** The parts of the assistant's turn that is being told, begun anew where there is none. */
  #assistant(): Part[] {
    const open = this.#messages.at(-1);
    if (open?.role === 'assistant') return open.parts;
    const parts: Part[] = [];
    this.#messages.push({ role: 'assistant', parts });
    return parts;
  }

  #output(output: unknown, at: string): (TextPart | ImagePart)[] {
    const kept: (TextPart | ImagePart)[] = [];
    for (const [j, part] of this.#content(output, at).entries()) {
      if (part.type === 'text' || part.type === 'image') kept.push(part);
      else this.#untranslated.push(`${at}[${j}]`);
    }
    return kept;
  }

  #content(content: unknown, at: string): Part[] {
    if (typeof content === 'string') return [{ type: 'text', text: content }];
    const parts: Part[] = [];
    for (const [j, raw] of requireArray(content, at).entries()) {
      const part = inputPart(raw, `${at}[${j}]`);
      if (part === undefined) this.#untranslated.push(`${at}[${j}]`);
      else parts.push(part);
    }
    return parts;
  }
}

function inputPart(raw: unknown, at: string): Part | undefined {
  const part = requireObject(raw, at);
  const cache = cacheMark(part);
  switch (requireString(part.type, `${at}.type`)) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return compact({
        type: 'text' as const,
        text: requireString(part.text, `${at}.text`),
        cache,
      });
    case 'refusal':
      return { type: 'refusal', text: requireString(part.refusal, `${at}.refusal`) };
    case 'input_image': {
      const url = optionalString(part, 'image_url', `${at}.`);
      if (url === undefined) return undefined;
      return compact({
        type: 'image' as const,
        ...splitDataUrl(url),
        detail: imageDetail(part.detail, `${at}.detail`),
        cache,
      });
    }
    case 'input_file': {
      const data = optionalString(part, 'file_data', `${at}.`);
      return compact({
        type: 'file' as const,
        name: optionalString(part, 'filename', `${at}.`),
        url: optionalString(part, 'file_url', `${at}.`),
        fileId: optionalString(part, 'file_id', `${at}.`),
        ...(data === undefined ? {} : fileBytes(data)),
        cache,
      });
    }
    default:
      return undefined;
  }
}

function reasoningItem(item: Json, at: string): ReasoningPart {
  const texts = [
    ...(optionalArray(item, 'summary', `${at}.`) ?? []),
    ...(optionalArray(item, 'content', `${at}.`) ?? []),
  ].map((raw, j) => requireString(requireObject(raw, `${at}.summary[${j}]`).text, `${at}.summary`));
  const sealed = optionalString(item, 'encrypted_content', `${at}.`);
  const signed = sealed?.startsWith(SIGNATURE_PREFIX) === true;
  return compact({
    type: 'reasoning' as const,
    text: texts.join('\n\n'),
    signature: signed ? sealed.slice(SIGNATURE_PREFIX.length) : undefined,
    redacted: signed ? undefined : sealed,
    id: optionalString(item, 'id', `${at}.`),
  });
}
