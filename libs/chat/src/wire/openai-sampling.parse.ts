import { optionalNumber, optionalStrings, type Json } from './field.check.js';

/** What a wire dialect accepts at most. */
export interface WireLimits {
  /** Most choices (`n`) that one call may ask for. */
  readonly choices: number;
}

export const DEFAULT_WIRE_LIMITS: WireLimits = { choices: 128 };

/** The fields of {@link samplingOf} by their names on the wire. */
export const SAMPLING_FIELDS = [
  ...['temperature', 'top_p', 'n', 'stop', 'seed', 'frequency_penalty', 'presence_penalty'],
] as const;

/** How the answer is drawn, as chat and legacy completions both say it. */
export function samplingOf(body: Json, limits: WireLimits) {
  return {
    temperature: optionalNumber(body, 'temperature', { min: 0, max: 2 }),
    topP: optionalNumber(body, 'top_p', { min: 0, max: 1 }),
    n: optionalNumber(body, 'n', { min: 1, max: limits.choices, integer: true }),
    stop: optionalStrings(body, 'stop', 16),
    // Any word of 64 bits, signed or not. Beyond 2^53 it is exact where the body passes through.
    seed: optionalNumber(body, 'seed', { min: -(2 ** 63), max: 2 ** 64, integer: true }),
    frequencyPenalty: optionalNumber(body, 'frequency_penalty', { min: -2, max: 2 }),
    presencePenalty: optionalNumber(body, 'presence_penalty', { min: -2, max: 2 }),
  };
}
