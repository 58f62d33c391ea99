type Fetch = typeof fetch;

/** JSON-RPC code that the SDK itself uses for a lost connection. */
const CONNECTION_CLOSED = -32_000;

interface RpcRequest {
  readonly id?: string | number;
  readonly method?: string;
}

/**
 * A fetch for the MCP client that lets no request wait for an answer that cannot come any more. The SDK reads answers off
 * the connection and matches them by id; when the connection ends without one, it goes on waiting until its timeout. Here
 * such an end is told as the JSON-RPC error that it is. A stream with event ids is left alone: the SDK resumes it.
 */
export function answeringFetch(send: Fetch = fetch): Fetch {
  return async (input, init) => {
    const response = await send(input, init);
    const id = requestIdIn(init?.body);
    if (id === undefined || !response.ok) return response;
    const type = response.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream') && response.body !== null) {
      return new Response(ended(response.body, closedAnswer(id)), response);
    }
    if (type.startsWith('application/json')) {
      const text = await response.text().catch(() => '');
      return new Response(answers(text, id) ? text : closedAnswer(id), response);
    }
    await response.body?.cancel();
    return Response.json(JSON.parse(closedAnswer(id)));
  };
}

/** The id of a request in a body; undefined for notifications, which nobody answers. */
function requestIdIn(body: unknown): string | number | undefined {
  if (typeof body !== 'string') return undefined;
  const message = JSON.parse(body) as RpcRequest;
  return message.method === undefined ? undefined : message.id;
}

function closedAnswer(id: string | number): string {
  const error = { code: CONNECTION_CLOSED, message: 'The server ended its answer early.' };
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

function answers(text: string, id: string | number): boolean {
  try {
    const message = JSON.parse(text) as { id?: unknown; result?: unknown; error?: unknown } | null;
    return message?.id === id && (message.result !== undefined || message.error !== undefined);
  } catch {
    return false;
  }
}

/** The stream, and behind its end, good or bad, `last` as one more event: of no consequence where an answer came. */
function ended(stream: ReadableStream<Uint8Array>, last: string): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let line = '';
  let resumable = false;
  const finish = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    if (!resumable) controller.enqueue(new TextEncoder().encode(`\n\ndata: ${last}\n\n`));
    controller.close();
  };
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        const step = await reader.read();
        if (step.done) {
          finish(controller);
          return;
        }
        const lines = (line + decoder.decode(step.value, { stream: true })).split(/\r?\n/);
        resumable ||= lines.some((text) => text.startsWith('id:'));
        // Enough of an unfinished line to know it by.
        line = (lines.at(-1) ?? '').slice(0, 4);
        controller.enqueue(step.value);
      } catch {
        finish(controller);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
