import { textOf } from '@sluice/kernel';
import type { AnswerCheck, Finding } from './answer.inspection.js';
import { schemaFault } from './json.schema.js';

/** JSON was asked for: it must parse, and fit the schema as far as the schema is plain. */
export const schemaCheck: AnswerCheck = {
  name: 'schema',
  inspect: (prompt, choice) => {
    const format = prompt.responseFormat;
    if (format === undefined || format.type === 'text') return undefined;
    // A tool call in place of the answer is legitimate; the tool check looks at it.
    if (choice.parts.some((part) => part.type === 'tool_call')) return undefined;
    const value = parse(textOf(choice.parts));
    if (value === undefined) return [{ fault: 'schema', detail: 'not valid JSON' }];
    if (format.type === 'json') return [];
    const fault = schemaFault(value.json, format.schema);
    return fault === undefined ? [] : [{ fault: 'schema', detail: fault }];
  },
};

/** Tool calls name a tool that exists, with arguments that parse and fit; a required call is made. */
export const toolCheck: AnswerCheck = {
  name: 'tools',
  inspect: (prompt, choice) => {
    const calls = choice.parts.filter((part) => part.type === 'tool_call');
    const choiceType = prompt.toolChoice?.type;
    if (calls.length === 0) {
      return choiceType === 'required' || choiceType === 'tool'
        ? [{ fault: 'tool_arguments', detail: 'no tool call though one was required' }]
        : undefined;
    }
    return calls.flatMap((call): Finding[] => {
      const tool = prompt.tools?.find((candidate) => candidate.name === call.name);
      if (tool === undefined)
        return [{ fault: 'tool_arguments', detail: `no tool named ${call.name.slice(0, 60)}` }];
      const value = parse(call.arguments === '' ? '{}' : call.arguments);
      if (value === undefined)
        return [{ fault: 'tool_arguments', detail: `${call.name}: not valid JSON` }];
      const fault =
        tool.parameters === undefined ? undefined : schemaFault(value.json, tool.parameters);
      return fault === undefined
        ? []
        : [{ fault: 'tool_arguments', detail: `${call.name}: ${fault}` }];
    });
  },
};

function parse(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text.trim()) as unknown };
  } catch {
    return undefined;
  }
}
