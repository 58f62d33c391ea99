import type { Prompt } from '@sluice/kernel';
import type { Golden } from './golden.js';

/** A picture of one pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=';

/** One neutral conversation that has a bit of everything; each provider's golden request says it in its own way. */
function full(signature: string): Prompt {
  return {
    messages: [
      {
        role: 'system',
        parts: [{ type: 'text', text: 'You are a weather clerk.', cache: {} }],
      },
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'How is it in these cities?' },
          { type: 'image', data: PNG, mediaType: 'image/png' },
        ],
      },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: 'Two cities.', signature },
          { type: 'text', text: 'Looking it up.' },
          { type: 'tool_call', id: 'call_1', name: 'weather', arguments: '{"city":"Oslo"}' },
          { type: 'tool_call', id: 'call_2', name: 'weather', arguments: '{"city":"Rome"}' },
        ],
      },
      {
        role: 'tool',
        parts: [{ type: 'tool_result', callId: 'call_1', parts: [{ type: 'text', text: '4 °C' }] }],
      },
      {
        role: 'tool',
        parts: [
          {
            type: 'tool_result',
            callId: 'call_2',
            parts: [{ type: 'text', text: 'no station answers' }],
            isError: true,
          },
        ],
      },
      { role: 'user', parts: [{ type: 'text', text: 'And tomorrow?' }] },
    ],
    tools: [
      {
        name: 'weather',
        description: 'The weather of a city',
        parameters: {
          type: 'object',
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    ],
    toolChoice: { type: 'auto' },
    reasoning: { effort: 'low' },
    maxTokens: 4096,
  };
}

const PLAIN: Prompt = {
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'How cold is it in Oslo?' }] }],
};

export function conversationFor({ conversation, signature }: Golden): Prompt {
  return conversation === 'plain' ? PLAIN : full(signature);
}
