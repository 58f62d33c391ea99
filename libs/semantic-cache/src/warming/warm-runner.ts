/**
 * Runs one question of the operator through the pipeline with `route: 'warm'` and the SYSTEM caller. Bound by the app.
 * The cache stores its answer for everybody.
 */
export abstract class WarmRunner {
  /** @throws anything: the question stays cold */
  abstract run(query: { readonly model: string; readonly prompt: string }): Promise<void>;
}
