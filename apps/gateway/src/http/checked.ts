import type { z } from 'zod';
import { GatewayError } from '@sluice/kernel';

/** @throws GatewayError invalid_request naming the first field at fault, `messages[0].role` style. */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const param = pathOf([...(issue?.path ?? []), ...unknown]);
  const where = param === '' ? 'The request' : param;
  throw new GatewayError('invalid_request', `${where}: ${issue?.message ?? 'is not valid'}.`, {
    ...(param === '' ? {} : { param }),
  });
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
