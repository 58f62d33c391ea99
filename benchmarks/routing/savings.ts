import { TokenCounter } from '@sluice/model-catalog';
import { answerTo } from '../../libs/providers/src/adapters/sandbox/sandbox.answer.js';
import { directiveOf } from '../../libs/providers/src/adapters/sandbox/sandbox.directive.js';
import { expectedCost } from '../../libs/routing/src/selection/expected-cost.js';
import { callOf, conversation, routingWorld } from '../../libs/routing/testing/routing.world.js';
import { percentile } from './data.js';
import { COMPLEX, MEDIUM, SECURITY, SIMPLE } from './mixed-prompts.js';

/** Tokens of the answers, the same for whatever model gives them: equal, and longer for harder work. */
const OUTPUTS = {
  equal: { simple: 400, medium: 400, complex: 400 },
  growing: { simple: 120, medium: 450, complex: 1100 },
} as const;
/** Share of the cheap answers that fail their inspection. An assumption: nobody has measured it on these prompts. */
const ESCALATED = 0.3;
const SANDBOX = {
  providers: [{ id: 'sandbox', kind: 'sandbox' as const }],
  models: [
    {
      id: 'sandbox-small',
      provider: 'sandbox',
      price: { input: 0.15, output: 0.6 },
      contextTokens: 128_000,
      grade: 'simple' as const,
    },
    {
      id: 'sandbox-medium',
      provider: 'sandbox',
      price: { input: 1, output: 5 },
      contextTokens: 200_000,
      grade: 'medium' as const,
    },
    {
      id: 'sandbox-large',
      provider: 'sandbox',
      price: { input: 3, output: 15 },
      contextTokens: 200_000,
      grade: 'complex' as const,
    },
  ],
};

type Kind = 'simple' | 'medium' | 'complex';

/**
 * 30 simple, 40 medium and 30 complex prompts (12 of them about security) at the sandbox's prices, against its large model
 * for everything: with the tokens that the sandbox itself answers, with equal answers, and with answers that grow with the
 * work; and the last with the cascade on.
 */
export async function measureSavings() {
  const prompts = [
    ...SIMPLE.map((text) => ({ text, kind: 'simple' as const, security: false })),
    ...MEDIUM.map((text) => ({ text, kind: 'medium' as const, security: false })),
    ...COMPLEX.map((text) => ({ text, kind: 'complex' as const, security: false })),
    ...SECURITY.map((text) => ({ text, kind: 'complex' as const, security: true })),
  ];
  const order = { simple: 0, medium: 1, complex: 2 };
  const tokens = new TokenCounter();
  const routedBy = (cascade: 'on' | 'off') => {
    const { router, ports } = routingWorld({ ...SANDBOX, routing: { cascade } });
    const large = ports.catalog.find('sandbox-large')?.target;
    return prompts.map((prompt) => ({
      ...prompt,
      large,
      decision: router.route(callOf(prompt.text)),
    }));
  };
  const routed = routedBy('off');
  const sandbox = await Promise.all(
    prompts.map(async ({ text }) => {
      const { prompt } = callOf(text);
      const directive = directiveOf(prompt);
      const answer = await answerTo(prompt, 'sandbox-large', { directive, tokens });
      return answer.choices.reduce((sum, choice) => sum + choice.tokens, 0);
    }),
  );
  await tokens.close();
  const cost = (calls: typeof routed, outputOf: (kind: Kind, i: number) => number) => {
    let usd = 0;
    let alwaysLargeUsd = 0;
    calls.forEach(({ kind, decision, large }, i) => {
      const at = (target: typeof large) =>
        (expectedCost(target?.price, decision.features?.promptTokens ?? 0, outputOf(kind, i)) ??
          0) / 1e6;
      const strong = at(decision.attempts[0]);
      usd +=
        decision.cascade === undefined
          ? strong
          : at(decision.cascade.cheap[0]) + ESCALATED * strong;
      alwaysLargeUsd += at(large);
    });
    return { usd, alwaysLargeUsd, saved: 1 - usd / alwaysLargeUsd };
  };
  const cascaded = routedBy('on');
  return {
    prompts: prompts.length,
    sandboxAnswers: cost(routed, (_kind, i) => sandbox[i] ?? 0),
    equalAnswers: cost(routed, (kind) => OUTPUTS.equal[kind]),
    growingAnswers: cost(routed, (kind) => OUTPUTS.growing[kind]),
    growingCascade: cost(cascaded, (kind) => OUTPUTS.growing[kind]),
    cascaded: cascaded.filter((r) => r.decision.cascade !== undefined).length,
    security: SECURITY.length,
    // Neither first nor after the cheap side of a cascade may it be anything else.
    securityOnComplex:
      [...routed, ...cascaded].filter(
        (r) =>
          r.security &&
          r.decision.attempts[0]?.grade === 'complex' &&
          r.decision.cascade === undefined,
      ).length / 2,
    gradedBelow: routed.filter((r) => order[r.decision.grade!] < order[r.kind]).length,
    gradedAbove: routed.filter((r) => order[r.decision.grade!] > order[r.kind]).length,
  };
}

/**
 * Milliseconds a decision takes on the event loop, the decision cache off. The best of three in a row counts, for other
 * processes on the machine are none of the router's business.
 */
export function measureDecisionTime(rounds: number) {
  const { router } = routingWorld(SANDBOX, { env: { flags: { async_routing: false } } });
  const sentence = 'The quarterly figures of the northern branch rose slightly again. ';
  return [100, 1000, 8000].map((tokens) => {
    const text = `Look at these reports. ${sentence.repeat(Math.ceil((tokens * 4) / sentence.length))}`;
    const calls = Array.from({ length: rounds }, () => callOf(conversation(text)));
    const once = (call: (typeof calls)[number]) => {
      const start = performance.now();
      router.route(call);
      return performance.now() - start;
    };
    const times = calls.map((call) => Math.min(once(call), once(call), once(call)));
    const warm = times.slice(Math.floor(rounds / 5));
    return {
      tokens,
      p50: percentile(warm, 0.5),
      p95: percentile(warm, 0.95),
      p99: percentile(warm, 0.99),
    };
  });
}
