import { GatewayError, type ChatCall } from '@sluice/kernel';

/**
 * Says that a target cannot express `param` of the caller's request: refuses, or notes the loss in the
 * answer's `x-sluice-dropped` header when the caller's configuration allows dropping.
 * @param param in the caller's notation (`top_k`, `messages[1].content[0]`)
 */
export function refuseOrDrop(call: ChatCall, param: string, model: string): void {
  if (call.unsupported === 'refuse') {
    throw new GatewayError('invalid_request', `Model '${model}' cannot express '${param}'.`, {
      param,
    });
  }
  noteDropped(call, param);
}

/** Says in the answer's headers that a wish was not passed on. */
export function noteDropped(call: ChatCall, param: string): void {
  const { headers } = call.journal;
  const dropped = headers['x-sluice-dropped'];
  if (dropped === undefined) headers['x-sluice-dropped'] = param;
  else if (!dropped.split(', ').includes(param))
    headers['x-sluice-dropped'] = `${dropped}, ${param}`;
}
