/** One SSE event without a name. */
export function dataEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** One SSE event whose name is the `type` of its data, as Anthropic and the Responses API write them. */
export function namedEvent(value: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}

/** An upstream's event, word for word. */
export function rawEvent(event: string | undefined, data: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}

/** The `sluice` field of a last event: the facts that were asked for, and who ended the answer when it was not the model. */
export function stopNote(
  finish: { readonly stoppedBy?: 'budget' } | undefined,
  extra?: Readonly<Record<string, unknown>>,
): { readonly sluice?: Readonly<Record<string, unknown>> } {
  if (finish?.stoppedBy === undefined) return extra === undefined ? {} : { sluice: extra };
  return { sluice: { ...extra, stopped_by: finish.stoppedBy } };
}
