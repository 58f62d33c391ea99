import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  ChatReply,
  GatewayError,
  type AttemptFact,
  type ChatCall,
  type ChatHandler,
  type Target,
} from '@sluice/kernel';
import { CascadeRunner, RoutingObserver } from '@sluice/routing';
import {
  answerOf,
  callOf,
  routingWorld,
  THREE_MODELS,
} from '../../routing/testing/routing.world.js';
import { ChatService } from './chat.service.js';
import { EnsembleRunner } from './ensemble.runner.js';

const CHOIR = { id: 'choir', models: ['small', 'large'], strategy: 'vote' as const };

/** The innermost handler with the real router; upstreams are played. */
function world(config: Parameters<typeof routingWorld>[0] = {}) {
  const rooms = routingWorld({ ...THREE_MODELS, ensembles: [CHOIR], ...config });
  const asked: string[][] = [];
  const state = { full: false, answer: (): ChatReply => ChatReply.message(answerOf('It is 7.')) };
  const attempts = {
    run: async (call: ChatCall, targets: readonly Target[]) => {
      asked.push(targets.map(({ model }) => model));
      const { model, provider } = targets[0]!;
      const fact: AttemptFact = { model, provider, startedAt: 0, outcome: 'completed' };
      call.journal.attempts.push(fact);
      try {
        return state.answer();
      } catch (error) {
        Object.assign(fact, { outcome: 'failed', errorCode: 'upstream_error' });
        throw error;
      }
    },
  };
  const admits = {
    admit: () => {
      if (state.full) throw new GatewayError('overloaded', 'Usage cannot be recorded.');
    },
  };
  const service = new ChatService(
    rooms.router,
    attempts as never,
    new CascadeRunner(rooms.clock, rooms.learning, rooms.log, rooms.metrics),
    new EnsembleRunner(rooms.config),
    new RoutingObserver(rooms.learning, rooms.metrics, rooms.log, rooms.deferred, rooms.feedback),
    admits as never,
  );
  const members: string[] = [];
  const pipeline: ChatHandler = (call) => {
    members.push(call.model);
    return service.answer(call, pipeline);
  };
  return {
    ...rooms,
    asked,
    members,
    state,
    answer: (call: ChatCall) => service.answer(call, pipeline),
  };
}

let w: ReturnType<typeof world>;
beforeEach(() => {
  w = world();
});

describe('a call behind the interceptors', () => {
  it('goes where the router says, with the fallbacks in order', async () => {
    const call = callOf('What is TypeScript?');
    const reply = await w.answer(call);
    expect(w.asked[0]?.[0]).toBe('small');
    expect(w.asked[0]).toContain('medium');
    expect(reply.take().choices).toHaveLength(1);
    expect(call.journal.routing).toMatchObject({ requested: 'auto', chosen: 'small' });
  });

  it('teaches the router how it ended, well or not', async () => {
    (await w.answer(callOf('What is TypeScript?'))).take();
    await w.deferred.drain(1_000);
    expect(w.learning.ledger.states()).toMatchObject([{ model: 'small', failures: 0 }]);
    w.state.answer = () => {
      throw new GatewayError('upstream_error', 'down');
    };
    await expect(w.answer(callOf('What is TypeScript?'))).rejects.toThrow('down');
    expect(w.learning.ledger.states()).toMatchObject([{ model: 'small', failures: 1 }]);
  });

  it('is refused, and no upstream asked, while what it costs could not be written down', async () => {
    w.state.full = true;
    await expect(w.answer(callOf('What is TypeScript?'))).rejects.toMatchObject({
      code: 'overloaded',
    });
    expect(w.asked).toEqual([]);
  });

  it('asks the members of an ensemble, each through the whole pipeline', async () => {
    const reply = await w.answer(callOf('What is 3 + 4?', { model: 'choir' }));
    expect(w.members).toEqual(['small', 'large']);
    expect(w.asked.map(([first]) => first).toSorted()).toEqual(['large', 'small']);
    expect(reply.take().choices[0]?.parts).toEqual([{ type: 'text', text: 'It is 7.' }]);
  });

  it('climbs to a stronger model where the router planned a cascade and the answer is wrong', async () => {
    w = world({ routing: { cascade: 'on' } });
    const answers = [answerOf('3 + 4 = 8'), answerOf('3 + 4 = 7')];
    w.state.answer = () => ChatReply.message(answers.shift()!);
    const reply = await w.answer(callOf('Compare 3 + 4 with 7. How many?'));
    expect(reply.take().choices[0]?.parts).toEqual([{ type: 'text', text: '3 + 4 = 7' }]);
    expect(w.asked.map(([first]) => first)).toEqual(['small', 'medium']);
  });
});
