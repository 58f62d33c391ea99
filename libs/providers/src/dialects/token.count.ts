/** A number of tokens as an upstream reports it. Such numbers end in bills: rubbish counts as nothing. */
export function count(value: unknown): number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? Math.floor(value) : 0;
}
