import { expectedCost } from '../../libs/routing/src/selection/expected-cost.js';
import { callOf, conversation, routingWorld } from '../../libs/routing/testing/routing.world.js';
import { percentile } from './data.js';
import { COMPLEX, MEDIUM, SECURITY, SIMPLE } from './mixed-prompts.js';

/** Tokens of the answers, the same for whatever model gives them: as the sandbox answers, and longer for harder work. */
const OUTPUTS = {
  equal: { simple: 400, medium: 400, complex: 400 },
  growing: { simple: 120, medium: 450, complex: 1100 },
} as const;
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

/** 30 simple, 40 medium and 30 complex prompts (12 of them about security) at the sandbox's prices. */
export function measureSavings() {
  const { router, ports } = routingWorld(SANDBOX);
  const large = ports.catalog.find('sandbox-large')!.target.price;
  const prompts = [
    ...SIMPLE.map((text) => ({ text, kind: 'simple' as const, security: false })),
    ...MEDIUM.map((text) => ({ text, kind: 'medium' as const, security: false })),
    ...COMPLEX.map((text) => ({ text, kind: 'complex' as const, security: false })),
    ...SECURITY.map((text) => ({ text, kind: 'complex' as const, security: true })),
  ];
  const order = { simple: 0, medium: 1, complex: 2 };
  const routed = prompts.map((prompt) => ({
    ...prompt,
    decision: router.route(callOf(prompt.text)),
  }));
  const cost = (outputs: Readonly<Record<'simple' | 'medium' | 'complex', number>>) => {
    let usd = 0;
    let alwaysLargeUsd = 0;
    for (const { kind, decision } of routed) {
      const input = decision.features?.promptTokens ?? 0;
      usd += (expectedCost(decision.attempts[0]?.price, input, outputs[kind]) ?? 0) / 1e6;
      alwaysLargeUsd += (expectedCost(large, input, outputs[kind]) ?? 0) / 1e6;
    }
    return { usd, alwaysLargeUsd, saved: 1 - usd / alwaysLargeUsd };
  };
  return {
    prompts: prompts.length,
    equalAnswers: cost(OUTPUTS.equal),
    growingAnswers: cost(OUTPUTS.growing),
    security: SECURITY.length,
    securityOnComplex: routed.filter(
      (r) => r.security && r.decision.attempts[0]?.grade === 'complex',
    ).length,
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
