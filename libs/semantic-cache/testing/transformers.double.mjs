/** Plays `@huggingface/transformers`: a vector by the length of the text, and a refusal of the folder `broken`. */
export const env = { allowRemoteModels: true, localModelPath: '' };

export async function pipeline(task, model) {
  if (env.allowRemoteModels) throw new Error('it may fetch models');
  if (task !== 'feature-extraction' || model === 'broken') throw new Error(`no model ${model}`);
  return async (texts, { pooling, normalize }) => {
    if (pooling !== 'mean' || !normalize) throw new Error('not a sentence embedding');
    return { tolist: () => texts.map((text) => [text.length, 3]) };
  };
}
