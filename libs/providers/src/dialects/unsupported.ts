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

const DROPPED = 'x-sluice-dropped';
/** Characters of the header: a body may have a hundred thousand unknown fields, and clients take headers of some kilobytes. */
const LONGEST = 1024;
const LONGEST_NAME = 128;
const MORE = '...';

/** Says in the answer's headers that a wish was not passed on. */
export function noteDropped(call: ChatCall, param: string): void {
  const { headers } = call.journal;
  const dropped = headers[DROPPED];
  if (dropped?.endsWith(MORE) === true) return;
  const name = headerText(param.slice(0, LONGEST_NAME));
  if (dropped === undefined) headers[DROPPED] = name;
  else if (!dropped.split(', ').includes(name)) {
    const longer = `${dropped}, ${name}`;
    headers[DROPPED] = longer.length > LONGEST ? `${dropped}, ${MORE}` : longer;
  }
}

/** Fields have whatever names the caller gave them; a header takes printable ASCII, and here the comma separates. */
function headerText(param: string): string {
  return param.toWellFormed().replace(/[^\x20-\x7e]|[%,]/gu, encodeURIComponent);
}
