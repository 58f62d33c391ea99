import { describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { ChatInterceptor, ChatReply, type ChatCall, type ChatHandler } from '@sluice/kernel';
import { answerOf, callOf } from '../../routing/testing/routing.world.js';
import { ChatModule } from './chat.module.js';
import { ChatService } from './chat.service.js';
import { CHAT_INTERCEPTORS, ChatPipeline } from './pipeline.js';

/** Writes down who is passed, on the way in and on the way out. */
class Gate extends ChatInterceptor {
  constructor(
    private readonly name: string,
    private readonly way: string[],
  ) {
    super();
  }
  async around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    this.way.push(`${this.name} in`);
    const reply = await next(call);
    this.way.push(`${this.name} out`);
    return reply;
  }
}
class Twice extends ChatInterceptor {
  async around(call: ChatCall, next: ChatHandler): Promise<ChatReply> {
    await next(call);
    return next(call);
  }
}
const reply = () => ChatReply.message(answerOf('hi'));
const service = (answer: ChatService['answer']) => ({ answer }) as ChatService;

describe('the chat pipeline', () => {
  it('has the order that docs/pipeline.md draws', async () => {
    const page = await readFile('docs/pipeline.md', 'utf8');
    const drawn = [...page.matchAll(/`(\w+Interceptor)`/g)].map(([, name]) => name);
    expect(drawn).toEqual(CHAT_INTERCEPTORS.map((type) => type.name));
  });

  it('is put together by its module in that order', async () => {
    const providers = Reflect.getMetadata('providers', ChatModule) as readonly {
      provide?: unknown;
      inject?: readonly unknown[];
      useFactory?: (service: ChatService, ...interceptors: ChatInterceptor[]) => ChatPipeline;
    }[];
    const made = providers.find(({ provide }) => provide === ChatPipeline);
    expect(made?.inject).toEqual([ChatService, ...CHAT_INTERCEPTORS]);
    const way: string[] = [];
    const pipeline = made?.useFactory?.(
      service(async () => reply()),
      new Gate('outer', way),
      new Gate('inner', way),
    );
    await pipeline?.run(callOf('hi'));
    expect(way).toEqual(['outer in', 'inner in', 'inner out', 'outer out']);
  });

  it('is whole for the members of an ensemble, too', async () => {
    const way: string[] = [];
    const pipeline = new ChatPipeline(
      [new Gate('gate', way)],
      service((call, members) =>
        call.model === 'choir' ? members(call.with({ model: 'small' })) : Promise.resolve(reply()),
      ),
    );
    await pipeline.run(callOf('hi', { model: 'choir' }));
    expect(way).toEqual(['gate in', 'gate in', 'gate out', 'gate out']);
  });

  it('asks an upstream once, whatever an interceptor does', async () => {
    let asked = 0;
    const pipeline = new ChatPipeline(
      [new Twice()],
      service(async () => {
        asked++;
        return reply();
      }),
    );
    await expect(pipeline.run(callOf('hi'))).rejects.toThrow('called next() twice');
    expect(asked).toBe(1);
  });
});
