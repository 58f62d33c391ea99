import { Injectable } from '@nestjs/common';
import { ConfigStore, type EnsembleConfig } from '@sluice/config';
import {
  ChatChunk,
  ChatReply,
  GatewayError,
  GRADES,
  NO_USAGE,
  addUsage,
  amended,
  asGatewayError,
  eventsOf,
  firstStop,
  StopSource,
  textOf,
  uuidv7,
  type ChatCall,
  type ChatHandler,
  type ChatMessage,
  type Message,
  type Prompt,
  type StopSignal,
} from '@sluice/kernel';
import { inspectAnswer } from '@sluice/routing';
import { collect } from './collect.js';

interface MemberAnswer {
  readonly model: string;
  readonly message: ChatMessage;
}

/**
 * Asks several models and makes one answer of theirs. Each member runs the whole pipeline under the
 * caller's identity and has a usage row of its own; the ensemble itself costs nothing more.
 */
@Injectable()
export class EnsembleRunner {
  constructor(private readonly config: ConfigStore) {}

  find(id: string): EnsembleConfig | undefined {
    return this.config.current.sluice.ensembles.find((e) => e.id === id);
  }

  async run(call: ChatCall, ensemble: EnsembleConfig, pipeline: ChatHandler): Promise<ChatReply> {
    const abort = new StopSource();
    const late = AbortSignal.timeout(ensemble.timeout);
    const signal = firstStop(call.signal, abort, late);
    try {
      const message = await this.#answer(call, ensemble, (model, prompt) =>
        this.#ask(call, model, prompt, signal, pipeline),
      );
      return replyOf(call, message);
    } catch (thrown) {
      const error = asGatewayError(thrown);
      const ours = error.code === 'client_closed' && late.aborted && !call.signal.aborted;
      // What failed members cost is in their own rows.
      throw amended(ours ? tooLate(ensemble, error) : error, {
        bill: { usage: NO_USAGE, costMicroUsd: 0 },
      });
    } finally {
      // Members that are still running lost the race.
      abort.abort();
    }
  }

  async #ask(
    call: ChatCall,
    model: string,
    prompt: Prompt,
    signal: StopSignal,
    pipeline: ChatHandler,
  ): Promise<MemberAnswer> {
    const member = call.with({
      id: uuidv7(),
      model,
      stream: false,
      signal,
      // A changed prompt no longer is the caller's body: it must be translated, not passed through.
      ...(prompt === call.prompt
        ? { body: { ...call.body, stream: false, stream_options: undefined } }
        : { dialect: 'sluice' as const, body: { prompt } }),
      parse: () => prompt,
    });
    return { model, message: await collect(await pipeline(member)) };
  }

  async #answer(
    call: ChatCall,
    ensemble: EnsembleConfig,
    ask: (model: string, prompt: Prompt) => Promise<MemberAnswer>,
  ): Promise<ChatMessage> {
    const models = ensemble.models.slice(0, ensemble.maxModels);
    const asked = models.map((model) => ask(model, call.prompt));
    if (ensemble.strategy === 'first') return (await firstOf(asked)).message;

    const answers = ensemble.failFast ? await Promise.all(asked) : await successesOf(asked);
    switch (ensemble.strategy) {
      case 'vote':
        return vote(answers).message;
      case 'best':
        return this.#best(call.prompt, answers).message;
      case 'mixture': {
        const [lead] = answers;
        if (lead === undefined || answers.length === 1) return vote(answers).message;
        const mixed = ask(lead.model, mixturePrompt(call.prompt, answers));
        const [mixture] = ensemble.failFast ? [await mixed] : await successes([mixed]);
        if (mixture !== undefined) {
          return { ...mixture.message, usage: totalUsage([...answers, mixture]) };
        }
        // The drafts are paid for: the one that most agree on is an answer, too.
        if (call.signal.aborted) return (await mixed).message;
        return { ...vote(answers).message, usage: totalUsage(answers) };
      }
    }
  }

  /** The answer that passes inspection, from the model trusted with the hardest work. */
  #best(prompt: Prompt, answers: readonly MemberAnswer[]): MemberAnswer {
    const grade = (model: string): number => {
      const known = this.config.current.sluice.models.find((m) => m.id === model)?.grade;
      return known === undefined ? -1 : GRADES.indexOf(known);
    };
    const sound = answers.filter((a) => inspectAnswer(prompt, a.message).ok);
    const [best] = (sound.length > 0 ? sound : [...answers]).toSorted(
      (a, b) => grade(b.model) - grade(a.model),
    );
    return present(best);
  }
}

async function firstOf(asked: readonly Promise<MemberAnswer>[]): Promise<MemberAnswer> {
  try {
    return await Promise.any(asked);
  } catch (error) {
    throw firstError(error instanceof AggregateError ? error.errors : [error]);
  }
}

async function successes(asked: readonly Promise<MemberAnswer>[]): Promise<MemberAnswer[]> {
  const results = await Promise.allSettled(asked);
  return results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
}

async function successesOf(asked: readonly Promise<MemberAnswer>[]): Promise<MemberAnswer[]> {
  const answers = await successes(asked);
  if (answers.length === 0) {
    const results = await Promise.allSettled(asked);
    throw firstError(
      results.flatMap((r) => (r.status === 'rejected' ? [r.reason as unknown] : [])),
    );
  }
  return answers;
}

function firstError(errors: readonly unknown[]): GatewayError {
  const known = errors.find((e) => e instanceof GatewayError);
  return known ?? new GatewayError('upstream_error', 'Every model of the ensemble failed.');
}

function tooLate({ id }: EnsembleConfig, cause: GatewayError): GatewayError {
  return new GatewayError('upstream_timeout', `No model of '${id}' answered in time.`, { cause });
}

/** The answer that most members gave, compared without case, spacing and punctuation; the earliest wins a tie. */
function vote(answers: readonly MemberAnswer[]): MemberAnswer {
  const counts = new Map<string, { answer: MemberAnswer; votes: number }>();
  for (const answer of answers) {
    const key = ballot(answer.message);
    const seen = counts.get(key);
    if (seen === undefined) counts.set(key, { answer, votes: 1 });
    else seen.votes++;
  }
  const [winner] = [...counts.values()].toSorted((a, b) => b.votes - a.votes);
  return present(winner?.answer);
}

function ballot(message: ChatMessage): string {
  const parts = message.choices[0]?.parts ?? [];
  const calls = parts.flatMap((p) => (p.type === 'tool_call' ? [`${p.name}(${p.arguments})`] : []));
  return (
    [textOf(parts), ...calls]
      .join(' ')
      .toLowerCase()
      // A sign before a number is no punctuation.
      .replace(/(?<![\p{L}\p{N}])-(?=\d)/gu, '−')
      .replace(/[\p{P}\s]+/gu, ' ')
      .trim()
  );
}

function mixturePrompt(prompt: Prompt, answers: readonly MemberAnswer[]): Prompt {
  const drafts = answers
    .map((a, i) => `Draft ${i + 1}:\n${textOf(a.message.choices[0]?.parts ?? [])}`)
    .join('\n\n');
  const instruction: Message = {
    role: 'system',
    parts: [
      {
        type: 'text',
        text: `Several drafts of an answer to the conversation follow. Write the one best answer: keep what they agree on, correct what is wrong, and do not mention the drafts.\n\n${drafts}`,
      },
    ],
  };
  return { ...prompt, messages: [instruction, ...prompt.messages] };
}

function totalUsage(answers: readonly MemberAnswer[]): ChatMessage['usage'] {
  return answers.reduce((sum, a) => addUsage(sum, a.message.usage), NO_USAGE);
}

function present(answer: MemberAnswer | undefined): MemberAnswer {
  if (answer === undefined) throw new GatewayError('upstream_error', 'No model gave an answer.');
  return answer;
}

function replyOf(call: ChatCall, message: ChatMessage): ChatReply {
  if (!call.stream) return ChatReply.message(message);
  return ChatReply.stream(replay(message), () => ({
    usage: NO_USAGE,
    costMicroUsd: 0,
    message: () => message,
  }));
}

async function* replay(message: ChatMessage): AsyncGenerator<ChatChunk> {
  for (const event of eventsOf(message)) yield ChatChunk.of(event);
}
