import { uuidv7, type Usage } from '@sluice/kernel';
import { NO_SAVINGS, type UsageEvent } from '../usage-event.js';

/** An ordinary paid call; change what the test is about. */
export function anEvent(changes: Partial<UsageEvent> = {}): UsageEvent {
  const at = changes.at ?? Date.now();
  return {
    requestId: uuidv7(at),
    at,
    tenant: 'default',
    caller: 'alice',
    keyId: 'key-1',
    tier: 'paid',
    agent: undefined,
    session: undefined,
    route: '/v1/chat/completions',
    dialect: 'openai-chat',
    requestedModel: 'auto',
    model: 'gpt-4o-mini',
    provider: 'openai',
    status: 200,
    outcome: 'completed',
    errorCode: undefined,
    cache: 'miss',
    stream: false,
    usage: tokens(100, 20),
    costMicroUsd: 27,
    saved: NO_SAVINGS,
    durationUs: 120_000,
    ttftUs: 80_000,
    overheadUs: 400,
    attempts: 1,
    path: 'direct',
    experiment: undefined,
    experimentArm: undefined,
    configVersion: 1,
    corrects: undefined,
    ...changes,
  };
}

export function tokens(input: number, output: number): Usage {
  return { input, output, cachedInput: 0, cacheWrite: 0, reasoning: 0, estimated: false };
}
