import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sluiceSchema } from '@sluice/config';
import type { Prompt } from '@sluice/kernel';
import { callOf, conversation, routingWorld } from '../../testing/routing.world.js';
import { UpliftEstimator } from '../estimator/uplift.estimator.js';
import { calibrate, chooseThreshold } from '../estimator/threshold.choice.js';
import { GradeClassifier } from '../selection/grade.classifier.js';
import { FeatureExtractor } from './feature.extractor.js';
import { isFollowUp } from './follow-up.js';
import { KeywordMatcher } from './keyword.matcher.js';
import { estimatePromptTokens, estimateTokens } from './token.estimate.js';

const { routing } = sluiceSchema.parse({});
const estimator = UpliftEstimator.bundled();
const extract = (prompt: Prompt) => new FeatureExtractor(estimator).extract(prompt, routing);

describe('keywords', () => {
  const matcher = new KeywordMatcher({
    simple: ['what is'],
    medium: ['compare', 'c++', ''],
    complex: ['build', 'строить'],
  });

  it.each([
    ['Build it', 'build', 'complex'],
    ['what  is this', 'what  is', 'simple'],
    ['Compare these, then build the better one', 'build', 'complex'],
    ['what is a build tool', 'what is', 'simple'],
    ['I have a build that I want reviewed', 'build', 'complex'],
    ['tell me about C++ idioms', 'c++', 'medium'],
    ['нужно строить дом', 'строить', 'complex'],
  ])('in "%s": %s, %s', (text, word, grade) => {
    expect(matcher.match(text)).toEqual({ word, grade });
  });

  it('match whole words only', () => {
    expect(matcher.match('rebuilding comparers')).toBeUndefined();
  });

  it('are looked for at the head and the tail of a long text', () => {
    expect(matcher.match(`${'x '.repeat(5000)}\nBuild it`)?.grade).toBe('complex');
    expect(matcher.match(`${'x '.repeat(2000)} build ${'x '.repeat(2000)}`)).toBeUndefined();
  });

  it('may hold any characters', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 20 }),
        fc.string({ maxLength: 100 }),
        (word, text) => {
          new KeywordMatcher({ simple: [word], medium: [], complex: [] }).match(text);
        },
      ),
    );
  });
});

describe('follow-ups', () => {
  it.each([
    'yes',
    'Ok.',
    'continue!',
    'why?',
    'and now in French',
    'Thanks, go on',
    '',
    'what about Rust?',
  ])('"%s" is one', (text) => {
    expect(isFollowUp(text)).toBe(true);
  });
  it.each([
    'What is Rust?',
    'Build a shop',
    'yes, but build the whole thing from scratch in Rust and add tests',
    'x'.repeat(300),
  ])('"%s" is none', (text) => {
    expect(isFollowUp(text)).toBe(false);
  });
});

describe('features', () => {
  it('name the capabilities a prompt needs', () => {
    const prompt: Prompt = {
      messages: [
        {
          role: 'user',
          parts: [
            { type: 'image', data: 'aa', mediaType: 'image/png' },
            { type: 'file', data: 'aa' },
            { type: 'audio', data: 'aa', format: 'wav' },
          ],
        },
        {
          role: 'tool',
          parts: [{ type: 'tool_result', callId: 'c', parts: [{ type: 'image', data: 'a' }] }],
        },
      ],
      tools: [
        { name: 't', parameters: { type: 'object', properties: { q: { enum: ['a', null] } } } },
      ],
      responseFormat: { type: 'json' },
      reasoning: { effort: 'low' },
    };
    expect(extract(prompt).needs.toSorted()).toEqual([
      'audio',
      'files',
      'json',
      'reasoning',
      'tools',
      'vision',
    ]);
    expect(extract({ ...prompt, toolChoice: { type: 'none' } }).needs).not.toContain('tools');
    expect(extract({ messages: [] })).toMatchObject({ turns: 0, needs: [], followUp: true });
  });

  it('count code lines, and long code and long text raise the grade', () => {
    const code = (lines: number) =>
      conversation(`what is this\n\`\`\`js\n${'a = 1;\n'.repeat(lines)}\`\`\``);
    expect(extract(code(10)).codeLines).toBe(11);
    const grade = (prompt: Prompt) =>
      new GradeClassifier(estimator).classify(extract(prompt), routing);
    expect(grade(code(10)).grade).toBe('simple');
    expect(grade(code(60))).toEqual({ grade: 'medium', reason: 'code' });
    expect(grade(conversation(`what is ${'this '.repeat(2000)}`))).toEqual({
      grade: 'medium',
      reason: 'length',
    });
    expect(extract(conversation('```js\nopen\nfence')).codeLines).toBe(2);
  });

  it('fall back to the estimator, and to the middle without one', () => {
    const prompt = conversation('Zebra stripes quantum flux');
    const full = new GradeClassifier(estimator).classify(extract(prompt), routing);
    expect(full.reason).toBe('estimate');
    expect(new GradeClassifier(undefined).classify(extract(prompt), routing)).toEqual({
      grade: 'medium',
      reason: 'default',
    });
    const features = { ...extract(prompt), uplift: 0.9 };
    expect(new GradeClassifier(estimator).classify(features, routing).grade).toBe('complex');
    expect(new GradeClassifier(estimator).classify({ ...features, uplift: 0 }, routing).grade).toBe(
      'simple',
    );
    expect(
      new GradeClassifier(estimator).classify({ ...features, uplift: Number.NaN }, routing).reason,
    ).toBe('default');
  });

  it('estimate tokens by script', () => {
    expect(estimateTokens('')).toBe(0);
    expect(estimateTokens('word '.repeat(100))).toBe(125);
    expect(estimateTokens('漢字漢字')).toBeGreaterThanOrEqual(4);
    const call: Prompt = {
      messages: [
        {
          role: 'assistant',
          parts: [{ type: 'tool_call', id: 'c', name: 'n', arguments: '{"a":1}' }],
        },
      ],
    };
    expect(estimatePromptTokens(call)).toBeGreaterThan(10);
  });

  it('never throw, whatever the prompt says', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400, unit: 'binary' }), (text) => {
        const { uplift } = extract(conversation(text));
        expect(uplift).toBeGreaterThanOrEqual(0);
        expect(uplift).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('take hostile repetition in stride', () => {
    const start = performance.now();
    for (const piece of ['\n', ' ', 'please ', '(', 'i want ', '```', '- ', '1. ']) {
      routingWorld().router.route(callOf(`Look: ${piece.repeat(40_000 / piece.length)}`));
    }
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});

describe('the estimator', () => {
  it('refuses a model trained with other features', () => {
    const bad = { weights: [1], idf: [1], dense: [] } as unknown as ConstructorParameters<
      typeof UpliftEstimator
    >[0];
    expect(() => new UpliftEstimator(bad)).toThrow('train it again');
  });

  it('routes fewer prompts to weak models the less quality may be lost', () => {
    const thresholds = [0, 0.01, 0.05, 0.1, 1].map((loss) => estimator.threshold(loss));
    expect(thresholds).toEqual(thresholds.toSorted((a, b) => a - b));
    expect(thresholds[0]).toBe(-Infinity);
    expect(estimator.threshold(0.05)).toBe(thresholds[2]);
    expect(estimator.hard).toBeGreaterThan(estimator.threshold(0.05));
  });

  it('sends everything to the strong model without evidence', () => {
    expect(chooseThreshold({ samples: 0, points: [] }, 0.5).threshold).toBe(-Infinity);
    expect(chooseThreshold(calibrate([{ score: 0.1, weak: 1, strong: 1 }]), 0.05).threshold).toBe(
      -Infinity,
    );
  });

  it('keeps its promise on the sample itself, for any labels', () => {
    const row = fc.record({
      score: fc.double({ min: 0, max: 1, noNaN: true }),
      weak: fc.constantFrom(0, 1),
      strong: fc.constantFrom(0, 1),
    });
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 400 }),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        (rows, promise) => {
          const { threshold } = chooseThreshold(calibrate(rows), promise);
          const below = rows.filter((r) => r.score < threshold);
          const loss = below.reduce((sum, r) => sum + r.strong - r.weak, 0) / rows.length;
          expect(loss).toBeLessThanOrEqual(promise + 1e-9);
        },
      ),
    );
  });
});
