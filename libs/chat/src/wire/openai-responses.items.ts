import type { FilePart, ImagePart, Message, Part } from '@sluice/kernel';
import { reasoningItem } from './openai-responses.format.js';

type Item = Record<string, unknown>;

/** A conversation as `input` items: earlier turns are put in front of a new one. */
export function inputItems(messages: readonly Message[]): Item[] {
  return messages.flatMap((message, i) => messageItems(message, i));
}

function messageItems(message: Message, turn: number): Item[] {
  const items: Item[] = [];
  let content: Item[] | undefined;
  for (const [j, part] of message.parts.entries()) {
    const piece = contentItem(part, message.role === 'assistant');
    if (piece !== undefined) {
      if (content === undefined) {
        content = [];
        items.push({ type: 'message', role: message.role, content });
      }
      content.push(piece);
      continue;
    }
    content = undefined;
    if (part.type === 'reasoning') items.push(reasoningItem(part.id ?? `rs_${turn}_${j}`, part));
    else if (part.type === 'tool_call') {
      items.push({
        type: 'function_call',
        call_id: part.id,
        name: part.name,
        arguments: part.arguments,
      });
    } else if (part.type === 'tool_result') {
      const output = part.parts.map((p) => contentItem(p, false));
      items.push({ type: 'function_call_output', call_id: part.callId, output });
    }
  }
  return items;
}

function contentItem(part: Part, said: boolean): Item | undefined {
  switch (part.type) {
    case 'text':
      return { type: said ? 'output_text' : 'input_text', text: part.text };
    case 'refusal':
      return { type: 'refusal', refusal: part.text };
    case 'image':
      return {
        type: 'input_image',
        image_url: sourceUrl(part) ?? '',
        ...(part.detail === undefined ? {} : { detail: part.detail }),
      };
    case 'file':
      return fileItem(part);
    default:
      return undefined;
  }
}

function fileItem(part: FilePart): Item {
  const bytes = part.data === undefined ? undefined : sourceUrl(part);
  return {
    type: 'input_file',
    ...(part.name === undefined ? {} : { filename: part.name }),
    ...(part.fileId === undefined ? {} : { file_id: part.fileId }),
    ...(part.url === undefined ? {} : { file_url: part.url }),
    ...(bytes === undefined ? {} : { file_data: bytes }),
  };
}

function sourceUrl(part: ImagePart | FilePart): string | undefined {
  if (part.data === undefined) return part.url;
  return `data:${part.mediaType ?? 'application/octet-stream'};base64,${part.data}`;
}
