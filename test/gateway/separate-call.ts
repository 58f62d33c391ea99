import { request as httpRequest, type IncomingMessage } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export interface SeparateCall {
  readonly path: string;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: unknown;
  readonly key?: string;
  /** When the answer's head has come. */
  readonly onStarted?: () => void;
}

/** A call on a connection of its own, as a new client would make it: fetch() would keep to one worker. */
export function callSeparately(
  url: string,
  { path, body, key, onStarted }: SeparateCall,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url + path, {
      agent: false,
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      onStarted?.();
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
