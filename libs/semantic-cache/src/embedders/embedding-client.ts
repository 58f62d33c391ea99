/** The way to an embeddings endpoint of a configured provider. Bound by the app. */
export abstract class EmbeddingClient {
  /**
   * One vector for each text, in order, as the provider gives them.
   * @param request.dimensions asked for where the provider can shorten vectors
   * @throws anything: the look-up is then a miss
   */
  abstract embed(request: {
    readonly provider: string;
    readonly model: string;
    readonly dimensions: number;
    readonly texts: readonly string[];
    readonly signal: AbortSignal;
  }): Promise<readonly (readonly number[] | Float32Array)[]>;
}
