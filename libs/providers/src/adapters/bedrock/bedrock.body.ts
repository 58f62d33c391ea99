import type {
  ContentBlock,
  ConverseCommandInput,
  DocumentFormat,
  ImageFormat,
  Message as BedrockMessage,
  SystemContentBlock,
  Tool as BedrockTool,
  ToolChoice as BedrockToolChoice,
  ToolResultContentBlock,
} from '@aws-sdk/client-bedrock-runtime';
import {
  isExactNumber,
  type CacheMark,
  type ChatCall,
  type FilePart,
  type ImagePart,
  type Prompt,
  type Target,
} from '@sluice/kernel';
import { Losses } from '../../dialects/losses.js';
import { isClaudes, mustNotThink, thinkingBudget } from '../../dialects/thinking.js';
import {
  argumentsObject,
  conversationOf,
  defined,
  type PlacedPart,
  type Turn,
} from '../../dialects/turns.js';

const DOCUMENT_FORMATS: Readonly<Record<string, DocumentFormat>> = {
  'application/pdf': 'pdf',
  'text/plain': 'txt',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
};
const IMAGE_FORMATS: Readonly<Record<string, ImageFormat>> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
};
const CLAUDE = /(?:^|\.)anthropic\./;

/** The neutral prompt as the input of Converse and ConverseStream. */
export function converseInput(call: ChatCall, target: Target): ConverseCommandInput {
  const { prompt } = call;
  const losses = new Losses(call, target);
  losses.check(prompt, [
    'n',
    'seed',
    'frequencyPenalty',
    'presencePenalty',
    'logprobs',
    'parallelToolCalls',
  ]);
  const { system, turns } = conversationOf(prompt, losses);
  const messages = turns
    .map(({ role, parts }): BedrockMessage => ({
      role,
      content: parts.flatMap((placed) => blocks(placed, losses)),
    }))
    .filter((message) => message.content?.length !== 0);
  const systemBlocks = system.flatMap((part): SystemContentBlock[] => [
    { text: part.text },
    ...cachePoint(part.cache),
  ]);
  const extra = modelFields(prompt, target, { turns, losses });
  // Claude's scale ends at 1, and is all that it takes while it thinks.
  const { temperature } = prompt;
  const hot = temperature !== undefined && temperature > 1 && CLAUDE.test(target.upstream);
  const steered = extra?.thinking !== undefined && temperature !== undefined && temperature !== 1;
  if (hot || steered) losses.field('temperature');
  const inference = defined({
    maxTokens: prompt.maxTokens,
    temperature: steered ? undefined : hot ? 1 : temperature,
    topP: prompt.topP,
    stopSequences: prompt.stop === undefined ? undefined : [...prompt.stop],
  });
  const tools = toolConfig(prompt, losses);
  const format = outputConfig(prompt, losses);
  return {
    modelId: target.upstream,
    messages,
    ...(systemBlocks.length === 0 ? {} : { system: systemBlocks }),
    ...(Object.keys(inference).length === 0 ? {} : { inferenceConfig: inference }),
    ...(tools === undefined ? {} : { toolConfig: tools }),
    ...(format === undefined ? {} : { outputConfig: format }),
    // JSON by construction: the SDK's document type admits no unknowns.
    ...(extra === undefined ? {} : { additionalModelRequestFields: extra as never }),
  };
}

function blocks({ part, message, index, at }: PlacedPart, losses: Losses): ContentBlock[] {
  const lost = (): ContentBlock[] => {
    losses.part(message, index, at);
    return [];
  };
  switch (part.type) {
    case 'text':
      return part.text === '' ? [] : [{ text: part.text }, ...cachePoint(part.cache)];
    case 'refusal':
      return [{ text: part.text }];
    case 'image': {
      const image = imageOf(part);
      return image === undefined ? lost() : [{ image }, ...cachePoint(part.cache)];
    }
    case 'file': {
      const document = documentOf(part, `${index}-${at}`);
      return document === undefined ? lost() : [{ document }, ...cachePoint(part.cache)];
    }
    case 'audio':
      return lost();
    case 'reasoning':
      return reasoningBlocks(part);
    case 'tool_call':
      return [
        {
          toolUse: {
            toolUseId: toolId(part.id),
            name: part.name,
            // Parsed JSON: the SDK's document type admits no unknowns.
            input: documentOfJson(argumentsObject(part.arguments)) as never,
          },
        },
        ...cachePoint(part.cache),
      ];
    case 'tool_result': {
      const content = part.parts.flatMap((p): ToolResultContentBlock[] => {
        if (p.type === 'text') return p.text === '' ? [] : [{ text: p.text }];
        const image = imageOf(p);
        if (image !== undefined) return [{ image }];
        lost();
        return [];
      });
      const status = part.isError === true ? ({ status: 'error' } as const) : {};
      return [
        { toolResult: { toolUseId: toolId(part.callId), content, ...status } },
        ...cachePoint(part.cache),
      ];
    }
  }
}

/** The SDK writes large integers from `bigint`. */
function documentOfJson(value: unknown): unknown {
  if (isExactNumber(value)) return BigInt(value.rawJSON);
  if (Array.isArray(value)) return value.map(documentOfJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, documentOfJson(member)]),
  );
}

function reasoningBlocks(part: PlacedPart['part'] & { type: 'reasoning' }): ContentBlock[] {
  if (part.redacted !== undefined) {
    const redactedContent = Buffer.from(part.redacted, 'base64');
    return [{ reasoningContent: { redactedContent } }];
  }
  const { text, signature } = part;
  if (!isClaudes(part)) return [];
  return [{ reasoningContent: { reasoningText: { text, signature } } }];
}

function cachePoint(mark: CacheMark | undefined): { cachePoint: { type: 'default' } }[] {
  return mark === undefined ? [] : [{ cachePoint: { type: 'default' } }];
}

/** Bedrock takes bytes, not addresses. */
function imageOf(part: ImagePart): ContentBlock.ImageMember['image'] | undefined {
  const format = IMAGE_FORMATS[part.mediaType ?? 'image/png'];
  if (part.data === undefined || format === undefined) return undefined;
  return { format, source: { bytes: Buffer.from(part.data, 'base64') } };
}

function documentOf(
  part: FilePart,
  place: string,
): ContentBlock.DocumentMember['document'] | undefined {
  const format = DOCUMENT_FORMATS[part.mediaType ?? 'application/pdf'];
  if (part.data === undefined || format === undefined) return undefined;
  // Names must be unique in a request and free of dots.
  const name = (part.name ?? '').replace(/[^a-zA-Z0-9 ()[\]-]+/g, '-').slice(0, 100);
  return {
    format,
    name: `${name === '' ? 'document' : name} ${place}`,
    source: { bytes: Buffer.from(part.data, 'base64') },
  };
}

/** Other providers' ids may hold signs that Bedrock refuses. */
function toolId(id: string): string {
  return id.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 64);
}

function toolConfig(prompt: Prompt, losses: Losses): ConverseCommandInput['toolConfig'] {
  if (prompt.tools === undefined) return undefined;
  const tools = prompt.tools.flatMap((tool): BedrockTool[] => [
    {
      toolSpec: {
        name: tool.name,
        ...(tool.description === undefined ? {} : { description: tool.description }),
        // A JSON schema from a JSON body: the SDK's document type admits no unknowns.
        inputSchema: {
          json: documentOfJson({
            type: 'object',
            ...(tool.parameters ?? { properties: {} }),
          }) as never,
        },
        ...(tool.strict === true ? { strict: true } : {}),
      },
    },
    ...cachePoint(tool.cache),
  ]);
  const toolChoice = choiceOf(prompt, losses);
  return { tools, ...(toolChoice === undefined ? {} : { toolChoice }) };
}

function choiceOf({ toolChoice }: Prompt, losses: Losses): BedrockToolChoice | undefined {
  switch (toolChoice?.type) {
    case 'auto':
      return { auto: {} };
    case 'required':
      return { any: {} };
    case 'tool':
      return { tool: { name: toolChoice.name } };
    case 'none':
      losses.field('toolChoice');
      return undefined;
    case undefined:
      return undefined;
  }
}

function outputConfig(
  { responseFormat }: Prompt,
  losses: Losses,
): ConverseCommandInput['outputConfig'] {
  if (responseFormat?.type === 'json') losses.field('responseFormat');
  if (responseFormat?.type !== 'json_schema') return undefined;
  const { name, schema, description } = responseFormat;
  return {
    textFormat: {
      type: 'json_schema',
      structure: {
        jsonSchema: {
          schema: JSON.stringify(schema),
          name,
          ...(description === undefined ? {} : { description }),
        },
      },
    },
  };
}

/** What Converse has no field for, in the notation of the model's own maker. */
function modelFields(
  prompt: Prompt,
  target: Target,
  { turns, losses }: { readonly turns: readonly Turn[]; readonly losses: Losses },
): Record<string, unknown> | undefined {
  const fields: Record<string, unknown> = {};
  const claude = CLAUDE.test(target.upstream);
  if (prompt.topK !== undefined) {
    if (claude) fields.top_k = prompt.topK;
    else losses.field('topK');
  }
  const { effort, budgetTokens } = prompt.reasoning ?? {};
  const thinks = budgetTokens !== undefined || (effort !== undefined && effort !== 'none');
  if (thinks && !claude) losses.field('reasoning');
  const budget = claude ? thinkingBudget(prompt) : undefined;
  if (budget !== undefined && mustNotThink(prompt, turns, 'budget')) losses.wish('reasoning');
  else if (budget !== undefined) fields.thinking = { type: 'enabled', budget_tokens: budget };
  return Object.keys(fields).length === 0 ? undefined : fields;
}
