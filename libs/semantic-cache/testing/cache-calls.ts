import {
  ChatCall,
  DEFAULT_CACHE_CONTROLS,
  type CacheControls,
  type Caller,
  type ChatCallInit,
  type ChatMessage,
  type Message,
  type Part,
  type Prompt,
  usage,
} from '@sluice/kernel';

export const ANN: Caller = {
  tenant: 'acme',
  id: 'ann@acme.example',
  kind: 'key',
  tier: 'standard',
  scopes: [],
};

export const LOCK = 'What is a deadlock in a database?';
/** The same question in two wordings: their words are alike, not the same. */
export const RESET = 'How do I reset my bank card pin?';
export const REWORDED = 'How can I reset the pin of my bank card?';

/** Low enough that only guards and contexts can keep two questions apart. */
export const LOOSE = { semantic: { threshold: 0.5 } };

/** What the caller asks of the cache, beside the defaults. */
export function wish(changes: Partial<CacheControls>): Partial<ChatCallInit> {
  return { cache: { ...DEFAULT_CACHE_CONTROLS, ...changes } };
}

/** Somebody else than Ann. */
export function as(changes: Partial<Caller>): Partial<ChatCallInit> {
  return { caller: { ...ANN, ...changes } };
}

interface Turn {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
}

/** A call as the OpenAI chat door makes it, with a reading of the body that is enough for the cache. */
export function chatCall(
  body: Readonly<Record<string, unknown>>,
  changes: Partial<ChatCallInit> = {},
): ChatCall {
  return new ChatCall({
    id: crypto.randomUUID(),
    caller: ANN,
    dialect: 'openai-chat',
    model: 'small',
    stream: body.stream === true,
    body,
    signal: new AbortController().signal,
    parse: () => promptOf(body),
    ...changes,
  });
}

/** One user turn, or several turns that alternate between user and assistant. */
export function ask(
  said: string | readonly string[],
  changes: Partial<ChatCallInit> = {},
): ChatCall {
  const turns = typeof said === 'string' ? [said] : said;
  const messages = turns.map((content, i): Turn => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content,
  }));
  return chatCall({ model: 'small', messages, stream: changes.stream ?? false }, changes);
}

function promptOf(body: Readonly<Record<string, unknown>>): Prompt {
  const messages = (body.messages as readonly Turn[]).map(({ role, content, name }): Message => {
    const text = { type: 'text' as const, text: content };
    const named = name === undefined ? {} : { name };
    return role === 'tool'
      ? { role, parts: [{ type: 'tool_result', callId: 'c1', parts: [text] }] }
      : { role: role as Message['role'], parts: [text], ...named };
  });
  return {
    messages,
    ...(typeof body.temperature === 'number' ? { temperature: body.temperature } : {}),
  };
}

export function answer(
  said: string | readonly Part[],
  finish: ChatMessage['choices'][number]['finish'] = 'stop',
): ChatMessage {
  const parts: readonly Part[] = typeof said === 'string' ? [{ type: 'text', text: said }] : said;
  return {
    id: 'chatcmpl-1',
    model: 'small-2026',
    created: 1_767_225_600,
    choices: [{ index: 0, parts, finish }],
    usage: usage({ input: 12, output: 34 }),
  };
}
