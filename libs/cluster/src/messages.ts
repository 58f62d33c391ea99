/** What goes over the line between a worker and the owner. All of it is structured clones. */
export type ToOwner =
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  | { readonly kind: 'publish'; readonly channel: string; readonly message: string }
  | { readonly kind: 'reply'; readonly id: number; readonly value?: unknown };

export type ToWorker =
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'publish'; readonly channel: string; readonly message: string }
  | { readonly kind: 'ask'; readonly id: number; readonly question: string };

export interface Call {
  readonly id: number;
  readonly service: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
  /** By which callers tell errors apart. */
  readonly code?: string;
}

/** One end of the line. Messages arrive in the order in which they were sent. */
export interface Port<In, Out> {
  send(message: Out): void;
  onMessage(listener: (message: In) => void): void;
}
