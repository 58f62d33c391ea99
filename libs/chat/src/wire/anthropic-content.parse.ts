import type { FilePart, ImagePart, Part, TextPart } from '@sluice/kernel';
import {
  compact,
  isObject,
  optionalBoolean,
  optionalString,
  requireArray,
  requireObject,
  requireOneOf,
  requireString,
  type Json,
} from './field.check.js';
import { cacheMark } from './openai-content.parse.js';

/**
 * One content block of a Messages message; undefined for a block that the neutral form does not know.
 * Parts of a known block that it cannot hold are added to `untranslated`.
 */
export function anthropicBlock(raw: unknown, at: string, untranslated: string[]): Part | undefined {
  const block = requireObject(raw, at);
  const type = requireString(block.type, `${at}.type`);
  const cache = cacheMark(block);
  switch (type) {
    case 'text':
      return compact({ type, text: requireString(block.text, `${at}.text`), cache });
    case 'image':
      return imageBlock(block, at);
    case 'document':
      return documentBlock(block, at, untranslated);
    case 'thinking':
      return compact({
        type: 'reasoning' as const,
        text: requireString(block.thinking, `${at}.thinking`),
        signature: optionalString(block, 'signature', `${at}.`),
      });
    case 'redacted_thinking':
      return {
        type: 'reasoning',
        text: '',
        redacted: requireString(block.data, `${at}.data`),
      };
    case 'tool_use':
      return compact({
        type: 'tool_call' as const,
        id: requireString(block.id, `${at}.id`),
        name: requireString(block.name, `${at}.name`),
        arguments: JSON.stringify(requireObject(block.input, `${at}.input`)),
        cache,
      });
    case 'tool_result':
      return compact({
        type,
        callId: requireString(block.tool_use_id, `${at}.tool_use_id`),
        parts: resultParts(block.content, `${at}.content`, untranslated),
        isError: optionalBoolean(block, 'is_error', `${at}.`),
        cache,
      });
    default:
      return undefined;
  }
}

function imageBlock(block: Json, at: string): ImagePart | undefined {
  const source = requireObject(block.source, `${at}.source`);
  const cache = cacheMark(block);
  if (source.type === 'file') return undefined;
  if (requireOneOf(source.type, ['base64', 'url'], `${at}.source.type`) === 'url') {
    return compact({
      type: 'image' as const,
      url: requireString(source.url, `${at}.source.url`),
      cache,
    });
  }
  return compact({
    type: 'image' as const,
    data: requireString(source.data, `${at}.source.data`),
    mediaType: requireString(source.media_type, `${at}.source.media_type`),
    cache,
  });
}

function documentBlock(block: Json, at: string, untranslated: string[]): FilePart | undefined {
  const source = requireObject(block.source, `${at}.source`);
  if (isObject(block.citations) && block.citations.enabled === true) {
    untranslated.push(`${at}.citations`);
  }
  if (optionalString(block, 'context', `${at}.`) !== undefined) untranslated.push(`${at}.context`);
  const base = compact({
    type: 'file' as const,
    name: optionalString(block, 'title', `${at}.`),
    cache: cacheMark(block),
  });
  const inSource = `${at}.source.`;
  switch (source.type) {
    case 'base64':
      return {
        ...base,
        data: requireString(source.data, `${inSource}data`),
        mediaType: requireString(source.media_type, `${inSource}media_type`),
      };
    case 'text':
      return {
        ...base,
        data: Buffer.from(requireString(source.data, `${inSource}data`)).toString('base64'),
        mediaType: 'text/plain',
      };
    case 'url':
      return { ...base, url: requireString(source.url, `${inSource}url`) };
    case 'file':
      return { ...base, fileId: requireString(source.file_id, `${inSource}file_id`) };
    default:
      return undefined;
  }
}

function resultParts(
  content: unknown,
  at: string,
  untranslated: string[],
): (TextPart | ImagePart)[] {
  if (content === undefined || content === null) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  const parts: (TextPart | ImagePart)[] = [];
  for (const [j, raw] of requireArray(content, at).entries()) {
    const part = anthropicBlock(raw, `${at}[${j}]`, untranslated);
    if (part?.type === 'text' || part?.type === 'image') parts.push(part);
    else untranslated.push(`${at}[${j}]`);
  }
  return parts;
}
