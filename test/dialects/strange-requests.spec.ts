import { describe, expect, it } from '@jest/globals';
import { converseInput } from '../../libs/providers/src/adapters/bedrock/bedrock.body.js';
import { messagesBody } from '../../libs/providers/src/dialects/anthropic/anthropic.body.js';
import { contentBody } from '../../libs/providers/src/dialects/gemini/gemini.body.js';
import { completionBody } from '../../libs/providers/src/dialects/openai/openai-chat.body.js';
import type { DialectName } from '@sluice/kernel';
import { callOf, target } from './world.js';

type Body = Record<string, any>;
type Upstream = 'own' | 'copy' | 'claude' | 'gemini' | 'bedrock';

/** One request in the words of each kind of upstream. */
function told(dialect: DialectName, body: Body): Record<Upstream, Body> {
  const call = callOf(dialect, body);
  return {
    own: completionBody(call, target('gpt'), true),
    copy: completionBody(call, target('open-model'), false),
    claude: messagesBody(call, target('claude-haiku-4-5')),
    gemini: contentBody(call, target('gemini')),
    bedrock: converseInput(call, target('anthropic.claude')),
  };
}

const hi = { role: 'user', content: 'hi' };
const weather = { name: 'weather', parameters: { type: 'object', properties: {} } };
const tools = [{ type: 'function', function: weather }];
const called = (id: string, args = '{}') => ({
  id,
  type: 'function',
  function: { name: 'weather', arguments: args },
});

describe('strange but legal Chat Completions requests', () => {
  it('with empty texts say nothing, rather than something that upstreams refuse', () => {
    const { claude, gemini, bedrock, own } = told('openai-chat', {
      messages: [
        { role: 'system', content: '' },
        { role: 'user', content: [] },
        hi,
        { role: 'assistant', content: null, tool_calls: [called('a'), called('b', '')] },
        { role: 'tool', tool_call_id: 'a', content: '' },
        { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: '' }] },
      ],
      tools,
    });
    expect([claude.system, gemini.systemInstruction, bedrock.system]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(claude.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'a', name: 'weather', input: {} },
          { type: 'tool_use', id: 'b', name: 'weather', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: [] },
          { type: 'tool_result', tool_use_id: 'b', content: [] },
        ],
      },
    ]);
    expect(bedrock.messages[2].content).toEqual([
      { toolResult: { toolUseId: 'a', content: [] } },
      { toolResult: { toolUseId: 'b', content: [] } },
    ]);
    expect(gemini.contents[2].parts[0].functionResponse.response).toEqual({ output: '' });
    expect(own.messages[3]).toMatchObject({ role: 'assistant', content: null });
  });

  it('with several system messages before the first turn keep their order as one system', () => {
    const messages = [
      { role: 'system', content: 'a' },
      { role: 'developer', content: [{ type: 'text', text: 'b' }] },
      { role: 'system', content: 'c' },
      hi,
    ];
    const { claude, gemini, bedrock, own, copy } = told('openai-chat', { messages });
    expect(claude.system.map(({ text }: Body) => text)).toEqual(['a', 'b', 'c']);
    expect(gemini.systemInstruction.parts).toEqual([{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
    expect(bedrock.system).toEqual([{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
    expect(own.messages.map(({ role }: Body) => role)).toEqual([
      'system',
      'developer',
      'system',
      'user',
    ]);
    // The developer's role is OpenAI's own.
    expect(copy.messages.map(({ role }: Body) => role)).toEqual([
      'system',
      'system',
      'system',
      'user',
    ]);
  });

  it('with a system message alone are refused where it would be nobody’s turn, or said by the user', () => {
    const body = { messages: [{ role: 'system', content: 'Greet me.' }] };
    expect(() => told('openai-chat', body)).toThrow("'messages[0].role'");
    const call = callOf('openai-chat', body, { unsupported: 'drop' });
    const claude = messagesBody(call, target('claude'));
    expect(claude.system).toBeUndefined();
    expect(claude.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Greet me.' }] },
    ]);
    expect(contentBody(call, target('gemini')).contents).toHaveLength(1);
    expect(completionBody(call, target('gpt'), true).messages).toEqual(body.messages);
  });

  it('with turns that do not alternate are one turn where they must', () => {
    const { claude, gemini } = told('openai-chat', {
      messages: [hi, { role: 'user', content: 'there' }, { role: 'assistant', content: 'yes' }, hi],
    });
    expect(claude.messages.map(({ role, content }: Body) => [role, content.length])).toEqual([
      ['user', 2],
      ['assistant', 1],
      ['user', 1],
    ]);
    expect(gemini.contents.map(({ role }: Body) => role)).toEqual(['user', 'model', 'user']);
  });

  it('with a refusal of an earlier turn keep what was said', () => {
    const { claude, gemini, own } = told('openai-chat', {
      messages: [hi, { role: 'assistant', content: null, refusal: 'I will not.' }, hi],
    });
    expect(claude.messages[1].content).toEqual([{ type: 'text', text: 'I will not.' }]);
    expect(gemini.contents[1].parts).toEqual([{ text: 'I will not.' }]);
    expect(own.messages[1]).toEqual({ role: 'assistant', content: null, refusal: 'I will not.' });
  });

  it.each([
    ['auto', { type: 'auto' }, undefined, { auto: {} }],
    ['required', { type: 'any' }, 'ANY', { any: {} }],
    ['any', { type: 'any' }, 'ANY', { any: {} }],
    [
      { type: 'function', function: { name: 'weather' } },
      { type: 'tool', name: 'weather' },
      'ANY',
      { tool: { name: 'weather' } },
    ],
  ])('with tool_choice %j choose the same everywhere', (tool_choice, claude, gemini, bedrock) => {
    const said = told('openai-chat', { messages: [hi], tools, tool_choice });
    expect(said.claude.tool_choice).toEqual(claude);
    expect(said.gemini.toolConfig?.functionCallingConfig.mode).toBe(gemini);
    expect(said.bedrock.toolConfig.toolChoice).toEqual(bedrock);
  });

  it('with an image as an address alone, or looked at in a way that only OpenAI knows', () => {
    const image = (image_url: unknown) => ({ type: 'image_url', image_url });
    const url = 'data:image/png;base64,AAAA';
    const content = [image(url), image({ url, detail: 'original' })];
    const { claude, own } = told('openai-chat', { messages: [{ role: 'user', content }] }) as Body;
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    expect(claude.messages[0].content).toEqual([
      { type: 'image', source },
      { type: 'image', source },
    ]);
    expect(own.messages[0].content).toEqual([image({ url }), image({ url, detail: 'high' })]);
  });

  it('with large numbers in the arguments of a tool keep each digit', () => {
    const big = '{"id":12345678901234567890,"list":[-9007199254740993]}';
    const messages = [hi, { role: 'assistant', tool_calls: [called('a', big)] }];
    const { claude, gemini, bedrock } = told('openai-chat', { messages });
    expect(JSON.stringify(claude.messages[1].content[0].input)).toBe(big);
    expect(JSON.stringify(gemini.contents[1].parts[0].functionCall.args)).toBe(big);
    // The AWS SDK writes them from this.
    expect(bedrock.messages[1].content[0].toolUse.input).toEqual({
      id: 12345678901234567890n,
      list: [-9007199254740993n],
    });
  });

  it('with the longest answer in either of its two names', () => {
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const said = told('openai-chat', { messages: [hi], [name]: 7, reasoning_effort: 'default' });
      expect(said.own).toMatchObject({ max_completion_tokens: 7 });
      expect(said.copy).toMatchObject({ max_tokens: 7 });
      expect(said.claude).toMatchObject({ max_tokens: 7 });
      expect(said.gemini.generationConfig).toEqual({ maxOutputTokens: 7 });
      expect(said.bedrock.inferenceConfig).toEqual({ maxTokens: 7 });
    }
  });
});

describe('a word of effort for Claude', () => {
  const asked = { messages: [hi], reasoning_effort: 'high', tools };
  const answered = (assistant: Body) => ({
    ...asked,
    messages: [
      hi,
      { role: 'assistant', content: null, tool_calls: [called('a')], ...assistant },
      { role: 'tool', tool_call_id: 'a', content: 'cold' },
    ],
  });
  /** What is asked of Claude by a budget, by effort alone, and at Bedrock; and which wishes were not passed on. */
  const thoughts = (body: Body, unsupported: 'refuse' | 'drop' = 'refuse') => {
    const call = callOf('openai-chat', body, { unsupported });
    const budgeted = messagesBody(call, target('claude-sonnet-4-5'));
    const adaptive = messagesBody(call, target('claude-opus-4-7'));
    const bedrock = converseInput(call, target('anthropic.claude')) as Body;
    return {
      budgeted: budgeted.thinking,
      adaptive: adaptive.thinking,
      bedrock: bedrock.additionalModelRequestFields?.thinking,
      dropped: call.journal.headers['x-sluice-dropped'],
      temperature: budgeted.temperature,
    };
  };
  const budget = (budget_tokens: number) => ({ type: 'enabled', budget_tokens });

  it('is a budget that leaves room for the answer', () => {
    expect(thoughts(asked)).toEqual({
      budgeted: budget(16_384),
      adaptive: { type: 'adaptive' },
      bedrock: budget(16_384),
    });
    expect(thoughts({ ...asked, max_tokens: 4000 }).budgeted).toEqual(budget(3200));
    expect(thoughts({ ...asked, max_tokens: 1100 }).budgeted).toEqual(budget(1024));
    expect(thoughts({ ...asked, max_tokens: 1000 }).budgeted).toBeUndefined();
  });

  it('waits where the client could not send the thoughts of the turn that called the tools', () => {
    expect(thoughts(answered({}))).toEqual({
      adaptive: { type: 'adaptive' },
      dropped: 'reasoning_effort',
    });
    const details = [{ type: 'reasoning.text', text: 'hm', signature: 's' }];
    expect(thoughts(answered({ reasoning_details: details }))).toMatchObject({
      budgeted: budget(16_384),
      bedrock: budget(16_384),
    });
    // Once the answer has been given, it thinks again.
    const { messages } = answered({});
    const later = [...messages, { role: 'assistant', content: 'cold' }, hi];
    expect(thoughts({ ...asked, messages: later }).budgeted).toEqual(budget(16_384));
  });

  it.each(['required', { type: 'function', function: { name: 'weather' } }])(
    'waits where a tool must be called: %j',
    (tool_choice) => {
      expect(thoughts({ ...asked, tool_choice })).toEqual({ dropped: 'reasoning_effort' });
    },
  );

  it('refuses a temperature, or loses it where the caller allows that', () => {
    expect(() => thoughts({ ...asked, temperature: 0.2 })).toThrow("'temperature'");
    const dropped = thoughts({ ...asked, temperature: 0.2 }, 'drop');
    expect(dropped).toMatchObject({ budgeted: budget(16_384), dropped: 'temperature' });
    expect(dropped.temperature).toBeUndefined();
    expect(thoughts({ ...asked, temperature: 1 }).temperature).toBe(1);
    const calm = { messages: [hi], temperature: 0.2, reasoning_effort: 'none' };
    expect(thoughts(calm)).toMatchObject({ budgeted: { type: 'disabled' }, temperature: 0.2 });
  });
});

describe('strange but legal Messages requests', () => {
  it('with results of tools and words in one message become messages in the right order', () => {
    const { own } = told('anthropic', {
      max_tokens: 9,
      messages: [
        hi,
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Looking.' },
            { type: 'tool_use', id: 'a', name: 'weather', input: { city: 'Oslo' } },
            { type: 'tool_use', id: 'b', name: 'weather', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'a', content: 'cold' },
            {
              type: 'tool_result',
              tool_use_id: 'b',
              is_error: true,
              content: [{ type: 'text', text: 'down' }],
            },
            { type: 'text', text: 'and now?' },
          ],
        },
      ],
      tools: [{ name: 'weather', input_schema: { type: 'object' } }],
    });
    expect(own.messages).toEqual([
      hi,
      {
        role: 'assistant',
        content: 'Looking.',
        tool_calls: [called('a', '{"city":"Oslo"}'), called('b')],
      },
      { role: 'tool', tool_call_id: 'a', content: 'cold' },
      { role: 'tool', tool_call_id: 'b', content: 'Error: down' },
      { role: 'user', content: 'and now?' },
    ]);
  });

  it('with a document as text, as bytes, or in a picture from a tool', () => {
    const document = (source: object) => ({ type: 'document', title: 'a.txt', source });
    const content = [
      document({ type: 'text', media_type: 'text/plain', data: 'hé' }),
      document({ type: 'base64', media_type: 'application/pdf', data: 'AAAA' }),
    ];
    const { own, claude, gemini, bedrock } = told('anthropic', {
      max_tokens: 9,
      messages: [{ role: 'user', content }],
    });
    expect(own.messages[0].content.map(({ file }: Body) => file.file_data)).toEqual([
      `data:text/plain;base64,${Buffer.from('hé').toString('base64')}`,
      'data:application/pdf;base64,AAAA',
    ]);
    expect(claude.messages[0].content).toEqual(content);
    expect(gemini.contents[0].parts[1]).toEqual({
      inlineData: { mimeType: 'application/pdf', data: 'AAAA' },
    });
    expect(bedrock.messages[0].content.map(({ document: d }: Body) => d.format)).toEqual([
      'txt',
      'pdf',
    ]);
  });
});
