import type { CacheMark, Part } from '@sluice/kernel';
import {
  compact,
  isObject,
  optionalString,
  requireObject,
  requireOneOf,
  requireString,
  type Json,
} from './field.check.js';

const DATA_URL = /^data:([^;,]*)(?:;[^;,]*)*;base64,/;

/** `data:` URLs become bytes with their type; anything else stays a URL. */
export function splitDataUrl(url: string): { url: string } | { data: string; mediaType: string } {
  const head = url.startsWith('data:') ? DATA_URL.exec(url) : null;
  if (head === null) return { url };
  return { data: url.slice(head[0].length), mediaType: head[1] ?? '' };
}

/** A prompt-cache marker as Anthropic (`cache_control`) or OpenAI (`prompt_cache_breakpoint`) writes it. */
export function cacheMark(part: Json): CacheMark | undefined {
  const control = part.cache_control;
  if (isObject(control)) {
    return control.ttl === '5m' || control.ttl === '1h' ? { ttl: control.ttl } : {};
  }
  return isObject(part.prompt_cache_breakpoint) ? {} : undefined;
}

/** One content part of a Chat Completions message; undefined for a type that the neutral form does not know. */
export function contentPart(raw: unknown, at: string): Part | undefined {
  const part = requireObject(raw, at);
  const type = requireString(part.type, `${at}.type`);
  const cache = cacheMark(part);
  switch (type) {
    case 'text':
      return compact({ type, text: requireString(part.text, `${at}.text`), cache });
    case 'image_url': {
      // Some servers and their clients write the address alone.
      const alone = typeof part.image_url === 'string' ? { url: part.image_url } : part.image_url;
      const image = requireObject(alone, `${at}.image_url`);
      const url = requireString(image.url, `${at}.image_url.url`);
      return compact({
        type: 'image' as const,
        ...splitDataUrl(url),
        detail: imageDetail(image.detail, `${at}.image_url.detail`),
        cache,
      });
    }
    case 'input_audio': {
      const audio = requireObject(part.input_audio, `${at}.input_audio`);
      return {
        type: 'audio',
        data: requireString(audio.data, `${at}.input_audio.data`),
        format: requireString(audio.format, `${at}.input_audio.format`),
      };
    }
    case 'file': {
      const file = requireObject(part.file, `${at}.file`);
      const data = optionalString(file, 'file_data', `${at}.file.`);
      return compact({
        type,
        name: optionalString(file, 'filename', `${at}.file.`),
        fileId: optionalString(file, 'file_id', `${at}.file.`),
        ...(data === undefined ? {} : fileBytes(data)),
        cache,
      });
    }
    case 'refusal':
      return { type, text: requireString(part.refusal, `${at}.refusal`) };
    default:
      return undefined;
  }
}

/** How closely an image is looked at; nobody but OpenAI knows more than `high`. */
export function imageDetail(value: unknown, at: string): 'auto' | 'low' | 'high' | undefined {
  if (value === undefined || value === null) return undefined;
  const detail = requireOneOf(value, ['auto', 'low', 'high', 'original'], at);
  return detail === 'original' ? 'high' : detail;
}

/** File bytes come as a `data:` URL or as bare base64. */
export function fileBytes(value: string): { data: string; mediaType?: string } {
  const split = splitDataUrl(value);
  return 'data' in split ? split : { data: value };
}
