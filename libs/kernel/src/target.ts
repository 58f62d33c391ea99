export type Grade = 'simple' | 'medium' | 'complex';
export const GRADES: readonly Grade[] = ['simple', 'medium', 'complex'];

export type Capability =
  'tools' | 'vision' | 'json' | 'reasoning' | 'audio' | 'files' | 'embeddings';

/** USD per million tokens; `request` is USD per call. Effective-dated lists live in model-catalog. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cachedInput?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly reasoning?: number | undefined;
  readonly request?: number | undefined;
}

/** Where one attempt goes: a configured model at its provider. */
export interface Target {
  /** The model id that callers use. */
  readonly model: string;
  readonly provider: string;
  /** The name sent upstream. */
  readonly upstream: string;
  readonly price: Price | undefined;
  readonly grade: Grade | undefined;
  readonly capabilities: readonly Capability[];
  readonly contextTokens: number | undefined;
  readonly maxOutputTokens: number | undefined;
}

/** How the answer came about, for the service-level monitor. */
export type AnswerPath = 'cache' | 'direct' | 'mcp' | 'hybrid';
