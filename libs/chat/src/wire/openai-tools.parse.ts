import type { Tool, ToolChoice } from '@sluice/kernel';
import {
  compact,
  invalid,
  optionalArray,
  optionalBoolean,
  optionalObject,
  optionalString,
  requireObject,
  requireOneOf,
  requireString,
  type Json,
} from './field.check.js';
import { cacheMark } from './openai-content.parse.js';

/** Where a route keeps what it says of a function: Chat Completions under `function`, Responses beside `type`. */
export type FunctionPlace = 'nested' | 'flat';

interface Placed {
  readonly fn: Json;
  readonly at: string;
}

function placed(holder: Json, at: string, place: FunctionPlace): Placed {
  if (place === 'flat') return { fn: holder, at };
  return { fn: requireObject(holder.function, `${at}.function`), at: `${at}.function` };
}

/** Tools of other types than `function` are named in `untranslated`. */
export function parseTools(
  body: Json,
  place: FunctionPlace,
  untranslated: string[],
): readonly Tool[] | undefined {
  const raw = optionalArray(body, 'tools');
  if (raw === undefined) return undefined;
  const tools: Tool[] = [];
  for (const [i, item] of raw.entries()) {
    const inList = `tools[${i}]`;
    const tool = requireObject(item, inList);
    if (requireString(tool.type, `${inList}.type`) !== 'function') {
      untranslated.push(inList);
      continue;
    }
    const { fn, at } = placed(tool, inList, place);
    tools.push(
      compact({
        name: requireString(fn.name, `${at}.name`),
        description: optionalString(fn, 'description', `${at}.`),
        parameters: optionalObject(fn, 'parameters', `${at}.`),
        strict: optionalBoolean(fn, 'strict', `${at}.`),
        cache: cacheMark(tool),
      }),
    );
  }
  return tools.length === 0 ? undefined : tools;
}

export function parseToolChoice(
  body: Json,
  tools: readonly Tool[] | undefined,
  place: FunctionPlace,
  untranslated: string[],
): ToolChoice | undefined {
  const choice = body.tool_choice ?? undefined;
  if (choice === undefined) return undefined;
  if (typeof choice === 'string') {
    // Mistral's word for "required".
    const word = choice === 'any' ? 'required' : choice;
    const type = requireOneOf(word, ['auto', 'none', 'required'], 'tool_choice');
    if (type === 'required' && optionalArray(body, 'tools') === undefined) {
      throw invalid('tool_choice', "'tool_choice' is only allowed when 'tools' are given.");
    }
    return { type };
  }
  const named = requireObject(choice, 'tool_choice');
  if (requireString(named.type, 'tool_choice.type') !== 'function') {
    untranslated.push('tool_choice');
    return undefined;
  }
  const { fn, at } = placed(named, 'tool_choice', place);
  const name = requireString(fn.name, `${at}.name`);
  if (tools?.some((tool) => tool.name === name) !== true) {
    throw invalid(`${at}.name`, 'The chosen tool is not among the given tools.');
  }
  return { type: 'tool', name };
}
