import { describe, expect, it } from '@jest/globals';
import type { SluiceConfigInput } from '@sluice/config';
import {
  GatewayError,
  type Capability,
  type ChatCallInit,
  type DialectName,
  type Grade,
  type ImagePart,
  type Part,
  type Prompt,
} from '@sluice/kernel';
import {
  callerNamed,
  callOf,
  conversation,
  routingWorld,
  THREE_MODELS,
} from '../testing/routing.world.js';
import { GradeCeiling } from './ports/grade-ceiling.port.js';
import { TargetCatalog } from './ports/target-catalog.port.js';

type World = ReturnType<typeof routingWorld>;
const route = (world: World, prompt: string | Prompt, init?: Partial<ChatCallInit>) =>
  world.router.route(callOf(prompt, init));
const names = (decision: ReturnType<typeof route>) =>
  decision.attempts.map((target) => target.model);
const withModels = (...models: NonNullable<SluiceConfigInput['models']>): SluiceConfigInput => ({
  providers: [
    { id: 'sandbox', kind: 'sandbox' },
    { id: 'tools', kind: 'mcp', url: 'http://127.0.0.1:1/mcp', tool: 'answer' },
    { id: 'keyless', kind: 'openai' },
  ],
  models,
});
const graded = (id: string, grade: Grade | undefined, input: number, rest = {}) => ({
  id,
  provider: 'sandbox',
  price: { input, output: input * 4 },
  capabilities: ['tools', 'json'] as const satisfies readonly string[] as unknown as [
    'tools',
    'json',
  ],
  ...(grade === undefined ? {} : { grade }),
  ...rest,
});

const HI: Prompt = { messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }] };
const PICTURE: ImagePart = { type: 'image', url: 'https://example.com/a.png' };
const PICTURE_FROM_TOOL: Part = { type: 'tool_result', callId: 'c', parts: [PICTURE] };
const SOUND: Part = { type: 'audio', data: '', format: 'wav' };
const withPart = (part: Part): Prompt => ({ messages: [{ role: 'user', parts: [part] }] });
const CAPABILITIES: Capability[] = ['tools', 'vision', 'json', 'reasoning', 'audio', 'files'];

function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a named model', () => {
  it('goes first with its retries, then its fallbacks with theirs', () => {
    expect(names(route(routingWorld(), 'hi', { model: 'small' }))).toEqual([
      'small',
      'small',
      'medium',
      'medium',
    ]);
  });

  it('is refused in the wording of OpenAI when it is unknown', () => {
    const error = refusal(() => route(routingWorld(), 'hi', { model: 'gpt-9' }));
    expect(error.code).toBe('model_not_found');
    expect(error.message).toBe('The model `gpt-9` does not exist or you do not have access to it.');
    expect(error.param).toBe('model');
  });

  it('does not exist for tiers it is not open to, nor while its provider has no key', () => {
    const world = routingWorld(
      withModels(graded('paid-only', 'simple', 1, { tiers: ['paid'] }), {
        id: 'gpt',
        provider: 'keyless',
        grade: 'simple',
      }),
    );
    expect(refusal(() => route(world, 'hi', { model: 'paid-only' })).code).toBe('model_not_found');
    expect(refusal(() => route(world, 'hi', { model: 'gpt' })).code).toBe('model_not_found');
    expect(
      route(world, 'hi', { model: 'paid-only', caller: callerNamed('bob', 'paid') }).chosen,
    ).toBe('paid-only');
  });

  it('is tried last, not dropped, while its breaker is open', () => {
    const world = routingWorld();
    world.health.set('small', { breaker: 'open' });
    expect(names(route(world, 'hi', { model: 'small' }))).toEqual([
      'medium',
      'medium',
      'small',
      'small',
    ]);
  });

  it('does not fall back to a model that cannot do the work', () => {
    const world = routingWorld(
      withModels(
        graded('undeclared', 'simple', 1, { capabilities: [], fallbacks: ['small'] }),
        graded('small', 'simple', 1),
      ),
    );
    expect(names(route(world, 'hi', { model: 'undeclared' }))).toContain('small');
    expect(names(route(world, withPart(PICTURE), { model: 'undeclared' }))).toEqual([
      'undeclared',
      'undeclared',
    ]);
  });

  it.each<[Capability, string, DialectName, Prompt]>([
    ['vision', 'messages[0].content[0]', 'openai-chat', withPart(PICTURE)],
    ['vision', 'messages', 'anthropic', withPart(PICTURE)],
    ['vision', 'input', 'openai-responses', withPart(PICTURE)],
    ['vision', 'messages[0].content[0]', 'openai-chat', withPart(PICTURE_FROM_TOOL)],
    ['files', 'messages[0].content[0]', 'openai-chat', withPart({ type: 'file', data: 'aa' })],
    ['audio', 'messages[0].content[0]', 'openai-chat', withPart(SOUND)],
    ['reasoning', 'reasoning_effort', 'openai-chat', { ...HI, reasoning: { effort: 'low' } }],
    ['reasoning', 'thinking', 'anthropic', { ...HI, reasoning: { budgetTokens: 2048 } }],
    ['tools', 'tools', 'openai-chat', { ...HI, tools: [{ name: 't', parameters: {} }] }],
    ['json', 'response_format', 'openai-chat', { ...HI, responseFormat: { type: 'json' } }],
    ['json', 'text.format', 'openai-responses', { ...HI, responseFormat: { type: 'json' } }],
  ])(
    'that declares all but %s is refused %s (%s), and goes without',
    (lack, param, dialect, prompt) => {
      const world = routingWorld(
        withModels(
          graded('without', 'simple', 1, { capabilities: CAPABILITIES.filter((c) => c !== lack) }),
          graded('only', 'simple', 1, { capabilities: [lack] }),
          graded('undeclared', 'simple', 1, { capabilities: [] }),
        ),
      );
      const error = refusal(() => route(world, prompt, { model: 'without', dialect }));
      expect(error).toMatchObject({ code: 'invalid_request', param, shouldRetry: false });
      expect(error.message).toContain(`The model \`without\` does not support \`${param}\``);
      for (const model of ['only', 'undeclared']) {
        expect(route(world, prompt, { model, dialect }).chosen).toBe(model);
      }
      expect(route(world, HI, { model: 'without', dialect }).chosen).toBe('without');
    },
  );

  it('is asked where reasoning or tools are only spoken of, and not wanted', () => {
    const world = routingWorld(withModels(graded('text', 'simple', 1, { capabilities: ['json'] })));
    const spoken: Prompt[] = [
      { ...HI, reasoning: { effort: 'none' } },
      { ...HI, tools: [{ name: 't', parameters: {} }], toolChoice: { type: 'none' } },
      { ...HI, responseFormat: { type: 'text' } },
    ];
    for (const prompt of spoken)
      expect(route(world, prompt, { model: 'text' }).chosen).toBe('text');
  });

  it('that makes embeddings only does not answer; whether others make them their provider says', () => {
    const world = routingWorld(
      withModels(
        graded('vectors', undefined, 1, { capabilities: ['embeddings'] }),
        graded('words', undefined, 1, { capabilities: ['tools'] }),
        graded('undeclared', undefined, 1, { capabilities: [], fallbacks: ['words', 'vectors'] }),
      ),
    );
    const embed = (model: string) => world.router.route(callOf('hi', { model }), 'embeddings');
    expect(names(embed('vectors'))).toEqual(['vectors', 'vectors']);
    expect(names(embed('undeclared'))).toEqual(['undeclared', 'undeclared', 'vectors', 'vectors']);
    const wrong = { code: 'invalid_request', param: 'model' };
    expect(embed('words').chosen).toBe('words');
    expect(refusal(() => route(world, 'hi', { model: 'vectors' }))).toMatchObject(wrong);
  });

  it('of kind mcp takes the path mcp, and with a second model the path hybrid', () => {
    const world = routingWorld(
      withModels(
        { id: 'plain', provider: 'tools', grade: 'simple' },
        { id: 'both', provider: 'tools', grade: 'simple', hybrid: 'direct' },
        graded('direct', 'simple', 1),
      ),
    );
    const call = callOf('hi', { model: 'both' });
    const decision = world.router.route(call);
    expect(decision.path).toBe('hybrid');
    expect(call.journal.path).toBe('hybrid');
    expect(names(decision)).toEqual(['both', 'direct', 'direct']);
    expect(route(world, 'hi', { model: 'plain' }).path).toBe('mcp');
    expect(route(world, 'hi', { model: 'direct' }).path).toBe('direct');
  });

  it('that is an ensemble is recognised and left to its runner', () => {
    const world = routingWorld({
      ...THREE_MODELS,
      ensembles: [{ id: 'ensemble/two', models: ['small', 'large'] }],
    });
    const decision = route(world, 'hi', { model: 'ensemble/two' });
    expect(decision.kind).toBe('ensemble');
    expect(decision.ensemble?.models).toEqual(['small', 'large']);
    expect(decision.attempts).toEqual([]);
  });

  it('may be what auto means', () => {
    const world = routingWorld({ ...THREE_MODELS, routing: { default: 'medium' } });
    const decision = route(world, 'Build a compiler');
    expect(decision.chosen).toBe('medium');
    expect(decision.reason).toBe('default');
  });
});

describe('auto', () => {
  it.each([
    ['What is TypeScript?', 'simple', 'small'],
    ['Review this code for style', 'medium', 'medium'],
    ['Build a complete web shop with payments', 'complex', 'large'],
    ['Please implement a parser', 'complex', 'large'],
    ['Explain how builds work', 'simple', 'small'],
    ['Analyze this: what is wrong?', 'medium', 'medium'],
  ])('grades "%s" as %s and asks %s', (prompt, grade, model) => {
    const decision = route(routingWorld(), prompt);
    expect(decision.grade).toBe(grade);
    expect(decision.chosen).toBe(model);
    expect(decision.level).toBe('full');
  });

  it.each([
    'What is SQL injection?',
    'Explain how this login handles passwords',
    'Is our encryption of backups sound?',
    'List the secrets in this repository',
    'Review the authentication flow',
    'Where are the vulnerabilities here?',
    'what is XSS',
    'Is this JWT check right?',
  ])('never sends security work below its grade: %s', (prompt) => {
    const decision = route(routingWorld(), prompt);
    expect(decision.grade).toBe('complex');
    expect(decision.chosen).toBe('large');
  });

  it.each(['What is the secret to a good soup?', 'How do I get social security in Spain?'])(
    'does not take everyday words for security work: %s',
    (prompt) => {
      expect(route(routingWorld(), prompt).features?.security).toBeUndefined();
    },
  );

  it('notes what it decided in the journal, the log and the metrics', async () => {
    const world = routingWorld();
    const call = callOf('What is TypeScript?');
    world.router.route(call);
    expect(call.journal.routing).toMatchObject({
      requested: 'auto',
      chosen: 'small',
      grade: 'simple',
      reason: 'keyword',
      level: 'full',
      alternativeMicroUsdPerToken: { input: 3, output: 15 },
    });
    expect(
      world.logger.lines.some((l) => l.level === 'debug' && l.message === 'Model selected: small'),
    ).toBe(true);
    const metrics = await world.registry.registry.metrics();
    expect(metrics).toContain(
      'sluice_routing_decisions_total{grade="simple",model="small",reason="keyword"} 1',
    );
  });

  it('tries the chosen model with its retries, then the other trusted ones', () => {
    expect(names(route(routingWorld(), 'What is TypeScript?'))).toEqual([
      'small',
      'small',
      'medium',
      'large',
    ]);
  });

  it('moves up when the models of a grade are down, and says so in the candidates', () => {
    const world = routingWorld();
    world.health.set('small', { breaker: 'open' });
    const decision = route(world, 'What is TypeScript?');
    expect(decision.chosen).toBe('medium');
    expect(decision.candidates).toContainEqual({ model: 'small', lost: 'health: breaker open' });
  });

  it('takes only models with the needed capabilities and window', () => {
    const world = routingWorld();
    const image: Prompt = {
      messages: [
        {
          role: 'user',
          parts: [
            { type: 'text', text: 'what is this' },
            { type: 'image', url: 'https://a.example/i.png' },
          ],
        },
      ],
    };
    expect(route(world, image).chosen).toBe('large');
    expect(route(world, `What is ${'word '.repeat(120_000)}`).chosen).toBe('large');
  });

  it('lets a cheaper model that is trusted with more push out a dearer one', () => {
    const world = routingWorld(
      withModels(graded('dear', 'simple', 5), graded('cheap', 'complex', 1)),
    );
    const decision = route(world, 'What is TypeScript?');
    expect(decision.chosen).toBe('cheap');
    expect(decision.candidates.find((c) => c.model === 'dear')?.lost).toBe(
      'pareto: cheap is cheaper and no worse',
    );
  });

  it('does not let a model win by having no price', () => {
    const unpriced = { id: 'unpriced', provider: 'sandbox', grade: 'simple' as const };
    const world = routingWorld(
      withModels(unpriced, graded('cheap', 'simple', 1), graded('dear', 'simple', 9)),
    );
    expect(route(world, 'What is TypeScript?').chosen).toBe('cheap');
  });

  it('prefers the target with more success when prices are alike', () => {
    const world = routingWorld(withModels(graded('a', 'simple', 1), graded('b', 'simple', 1)));
    world.health.set('a', { successRate: 0.5 });
    expect(route(world, 'What is TypeScript?').chosen).toBe('b');
    world.health.set('a', { successRate: 1, inflight: 64 });
    expect(route(world, 'What is TypeScript?').chosen).toBe('b');
    world.health.set('b', { p95Ms: 9000 });
    world.health.set('a', { p95Ms: 100 });
    expect(route(world, 'What is TypeScript?').chosen).toBe('a');
  });

  it('lowers the grade to what budgets leave open, but not for security work', () => {
    class Medium extends GradeCeiling {
      limit(grade: Grade): Grade {
        return grade === 'complex' ? 'medium' : grade;
      }
    }
    const world = routingWorld(THREE_MODELS, { ceiling: new Medium() });
    const decision = route(world, 'Build a web shop');
    expect(decision).toMatchObject({ grade: 'medium', chosen: 'medium', reason: 'ceiling' });
    expect(route(world, 'Build an encryption library').chosen).toBe('large');
  });
});

describe('conversations', () => {
  it.each(['yes', 'continue', 'Why?', 'ok, go on', 'and in more detail'])(
    'lets the follow-up "%s" inherit the grade of what it follows',
    (text) => {
      const decision = route(routingWorld(), conversation('Build a web shop', 'Shall I?', text));
      expect(decision.grade).toBe('complex');
      expect(decision.reason).toBe('follow_up');
    },
  );

  it('lets a follow-up inherit security work as well', () => {
    const decision = route(
      routingWorld(),
      conversation('What is SQL injection?', 'It is …', 'why?'),
    );
    expect(decision.chosen).toBe('large');
  });

  it('judges a new question by itself', () => {
    const decision = route(
      routingWorld(),
      conversation('Build a web shop', 'Done.', 'What is the capital of Peru?'),
    );
    expect(decision.grade).toBe('simple');
  });

  it('keeps a session with its model unless it must move up', () => {
    const world = routingWorld();
    const say = (text: string) => route(world, text, { session: 's1' }).chosen;
    expect(say('What is TypeScript?')).toBe('small');
    expect(say('Build a web shop')).toBe('large');
    expect(say('What is TypeScript?')).toBe('large');
    expect(route(world, 'What is TypeScript?', { session: 's2' }).chosen).toBe('small');
    expect(
      route(world, 'What is TypeScript?', { session: 's1', caller: callerNamed('eve') }).chosen,
    ).toBe('small');
  });

  it('remembers a session whose history the caller does not send', () => {
    const world = routingWorld();
    route(world, 'Fix this SQL injection', { session: 's1' });
    const next = route(world, 'continue', { session: 's1' });
    expect(next).toMatchObject({ grade: 'complex', reason: 'follow_up' });
    world.health.set('large', { breaker: 'open' });
    expect(refusal(() => route(world, 'continue', { session: 's1' })).code).toBe('overloaded');
  });

  it('moves a session away from a model that is down', () => {
    const world = routingWorld();
    route(world, 'Build a web shop', { session: 's1' });
    world.health.set('large', { breaker: 'open' });
    expect(route(world, 'What is TypeScript?', { session: 's1' }).chosen).toBe('small');
  });
});

describe('no candidate left', () => {
  it('is 400 when the prompt is larger than every window, naming windows', () => {
    const error = refusal(() => route(routingWorld(), 'word '.repeat(200_000)));
    expect(error.code).toBe('context_too_long');
    expect(error.message).toMatch(/window removed small .*medium .*large/);
  });

  it('is 404 when no model has the capability', () => {
    const audio: Prompt = {
      messages: [{ role: 'user', parts: [{ type: 'audio', data: '', format: 'wav' }] }],
    };
    const error = refusal(() => route(routingWorld(), audio));
    expect(error.code).toBe('model_not_found');
    expect(error.message).toContain('capability removed small (no audio)');
  });

  it('is 503 with the time to wait when health took the last', () => {
    const world = routingWorld();
    for (const model of ['small', 'medium']) world.health.set(model, { breaker: 'open' });
    world.health.set('large', { cooldownUntil: world.clock.now() + 7000 });
    const error = refusal(() => route(world, 'What is TypeScript?'));
    expect(error.code).toBe('overloaded');
    expect(error.retryAfterMs).toBe(7000);
    expect(error.message).toContain('health removed small (breaker open)');
  });

  it('does not name models of other tiers', () => {
    const world = routingWorld(withModels(graded('hidden', 'simple', 1, { tiers: ['paid'] })));
    const error = refusal(() => route(world, 'hi'));
    expect(error.code).toBe('model_not_found');
    expect(error.message).not.toContain('hidden');
  });

  it('is 404 for security work when no model is trusted with it', () => {
    const world = routingWorld(withModels(graded('small', 'simple', 1)));
    const error = refusal(() => route(world, 'What is SQL injection?'));
    expect(error.code).toBe('model_not_found');
    expect(error.message).toContain('security work needs grade complex');
  });

  it('serves a grade without models from below, visibly', () => {
    const world = routingWorld(
      withModels(graded('small', 'simple', 1), graded('plain', undefined, 1)),
    );
    const call = callOf('Build a web shop');
    const decision = world.router.route(call);
    expect(decision).toMatchObject({ chosen: 'small', level: 'any', reason: 'no_model_of_grade' });
    expect(call.journal.headers['x-sluice-routing-level']).toBe('any');
  });
});

describe('levels', () => {
  class Broken extends TargetCatalog {
    failures = 0;
    constructor(
      private readonly times: number,
      private readonly inner: TargetCatalog,
    ) {
      super();
    }
    list() {
      if (this.failures++ < this.times) throw new TypeError('broken');
      return this.inner.list();
    }
    find(model: string) {
      return this.inner.find(model);
    }
  }

  it.each([
    [1, 'rules', 'small'],
    [2, 'any', 'large'],
  ])('fall to the next when a level breaks %d times', (times, level, model) => {
    const inner = routingWorld().ports.catalog;
    const world = routingWorld(THREE_MODELS, {
      catalog: new Broken(times, inner),
      env: { flags: { async_routing: false } },
    });
    const call = callOf('What is TypeScript?');
    expect(world.router.route(call)).toMatchObject({ level, chosen: model });
    expect(call.journal.headers['x-sluice-routing-level']).toBe(level);
  });

  it('end in 503 when nothing is up even then', () => {
    const inner = routingWorld().ports.catalog;
    const world = routingWorld(THREE_MODELS, {
      catalog: new Broken(2, inner),
      env: { flags: { async_routing: false } },
    });
    for (const model of ['small', 'medium', 'large']) world.health.set(model, { breaker: 'open' });
    expect(refusal(() => route(world, 'What is TypeScript?')).code).toBe('overloaded');
  });

  it('score a signal that gives no number as neutral and count it', async () => {
    const world = routingWorld();
    for (const model of ['small', 'medium', 'large'])
      world.health.set(model, { successRate: Number.NaN, p95Ms: Number.NaN });
    const decision = route(world, 'What is TypeScript?');
    expect(decision.chosen).toBe('small');
    expect(decision.candidates.find((c) => c.model === 'small')?.scores?.success).toBe(0.5);
    expect(await world.registry.registry.metrics()).toMatch(
      /signal_faults_total\{signal="success"\} [1-9]/,
    );
  });
});

describe('the decision cache', () => {
  it('serves the same pattern again until health, upgrades or the configuration change', () => {
    const world = routingWorld();
    const cached = () => route(world, 'What is TypeScript?').cached;
    expect([cached(), cached()]).toEqual([false, true]);
    world.health.set('large', { breaker: 'open' });
    expect([cached(), cached()]).toEqual([false, true]);
    world.config.use(THREE_MODELS);
    expect([cached(), cached()]).toEqual([false, true]);
    for (let i = 0; i < 5; i++) world.learning.ledger.record('small', 'simple', false);
    expect([cached(), cached()]).toEqual([false, true]);
    world.clock.advance(1000);
    expect(cached()).toBe(false);
  });

  it('is off with the flag async_routing', () => {
    const world = routingWorld(THREE_MODELS, { env: { flags: { async_routing: false } } });
    expect(route(world, 'What is TypeScript?').cached).toBe(false);
    expect(route(world, 'What is TypeScript?').cached).toBe(false);
  });
});

describe('cascade', () => {
  const on: SluiceConfigInput = { ...THREE_MODELS, routing: { cascade: 'on' } };

  it('asks the cheaper model first where two calls cost less than one', () => {
    const decision = route(routingWorld(on), 'Compare these two poems');
    expect(decision.chosen).toBe('medium');
    expect(decision.cascade?.cheap.map((t) => t.model)).toEqual(['small', 'small']);
    expect(decision.cascade?.strong[0]?.model).toBe('medium');
  });

  it('ends with its flag', async () => {
    const world = routingWorld(on);
    await world.flags.set('cascade', false);
    expect(route(world, 'Compare these two poems').cascade).toBeUndefined();
  });

  it('is not used for simple, security or uncheckable complex work', () => {
    const world = routingWorld(on);
    expect(route(world, 'What is TypeScript?').cascade).toBeUndefined();
    expect(route(world, 'Review the authentication flow').cascade).toBeUndefined();
    expect(route(world, 'Build a web shop').cascade).toBeUndefined();
    const checkable = {
      ...conversation('Build a shop catalogue'),
      responseFormat: { type: 'json' } as const,
    };
    expect(route(world, checkable).cascade?.cheap[0]?.model).toBe('small');
  });

  it('is not used where the price ratio does not pay, nor while the cheap model keeps failing', () => {
    const close = routingWorld({
      ...withModels(graded('small', 'simple', 0.9), graded('medium', 'medium', 1)),
      routing: { cascade: 'on' },
    });
    expect(route(close, 'Compare these two poems').cascade).toBeUndefined();
    const world = routingWorld(on);
    for (let i = 0; i < 5; i++) world.learning.ledger.record('small', 'medium', false);
    expect(route(world, 'Compare these two poems').cascade).toBeUndefined();
  });
});

describe('speed', () => {
  it('does not grow with the prompt beyond reason', () => {
    const world = routingWorld(THREE_MODELS, { env: { flags: { async_routing: false } } });
    const prompt = conversation(
      `Compare these reports. ${'The quarterly figures of the northern branch rose slightly. '.repeat(540)}`,
    );
    const times: number[] = [];
    for (let i = 0; i < 300; i++) {
      const call = callOf(prompt);
      const start = performance.now();
      world.router.route(call);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    // Jest's sandbox is some ten times slower than Node; benchmark:routing measures against the promised millisecond.
    expect(times[150]).toBeLessThan(20);
  });
});
