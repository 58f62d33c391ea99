import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  ChatChunk,
  GatewayError,
  eventsOf,
  usage,
  uuidv7,
  type ChatCall,
  type ChatMessage,
  type StopSignal,
  type Target,
} from '@sluice/kernel';
import { ProviderAdapter, type ProviderAnswer } from '../../provider-adapter.js';
import { codeOfStatus } from '../../upstream.failure.js';
import { Deadlines } from '../deadlines.js';
import { promptText } from './mcp.body.js';
import { answeringFetch } from './mcp.fetch.js';

/** The part of an MCP provider's configuration that is used here. Milliseconds. */
export interface McpConfig {
  readonly id: string;
  readonly url: string;
  readonly tool: string;
  /** Name of the tool's argument that takes the prompt. */
  readonly argument: string;
  readonly apiKey?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  readonly connectTimeout: number;
  readonly idleTimeout: number;
}

/** Counts the tokens of a text: MCP servers report none. */
export type CountTokens = (text: string) => Promise<number>;

interface ToolAnswer {
  readonly content?: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
}

/** One session with the server. It is closed when nobody uses it any more: one call's failure is not the others'. */
interface Session {
  readonly client: Client;
  users: number;
  retired: boolean;
}

/**
 * A model whose answers come from a tool of an MCP server, over streamable HTTP. The tool gets the prompt's text in one
 * argument; what it returns is the answer. A sampler's settings (temperature, length) mean nothing to it.
 */
export class McpAdapter extends ProviderAdapter {
  #session: Promise<Session> | undefined;

  constructor(
    private readonly config: McpConfig,
    private readonly countTokens: CountTokens,
  ) {
    super();
  }

  override async chat(call: ChatCall, target: Target, signal: StopSignal): Promise<ProviderAnswer> {
    const text = promptText(call, target);
    call.journal.path = 'mcp';
    const message = await this.#message(text, await this.#ask(text, signal), target);
    if (!call.stream) return { kind: 'message', message };
    return {
      kind: 'stream',
      chunks: once(ChatChunk.of(...eventsOf(message))),
      usage: () => message.usage,
    };
  }

  override async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    await session?.client.close();
  }

  async #ask(text: string, signal: StopSignal): Promise<string> {
    const deadlines = new Deadlines(signal);
    deadlines.within(this.config.timeout);
    let session: Session | undefined;
    try {
      session = await deadlines.race(this.#join());
      session.users++;
      const answer = await deadlines.race(this.#call(session.client, text, deadlines.signal));
      deadlines.end();
      return answerText(answer);
    } catch (error) {
      deadlines.end(true);
      const failure = this.#failure(error);
      // The session may be gone with the server that held it: the next call starts a new one.
      if (session !== undefined && isOutside(error)) this.#retire(session);
      throw failure;
    } finally {
      if (session !== undefined) {
        session.users--;
        closeUnused(session);
      }
    }
  }

  async #call(client: Client, text: string, signal: AbortSignal): Promise<ToolAnswer> {
    const { tool, argument, idleTimeout, timeout } = this.config;
    const question = { name: tool, arguments: { [argument]: text } };
    return (await client.callTool(question, undefined, {
      signal,
      // A tool that reports progress may take its time, up to the whole call's limit.
      timeout: Math.min(idleTimeout, timeout),
      resetTimeoutOnProgress: true,
      maxTotalTimeout: timeout,
      onprogress: () => undefined,
    })) as ToolAnswer;
  }

  #join(): Promise<Session> {
    this.#session ??= this.#open().catch((error: unknown) => {
      this.#session = undefined;
      throw error;
    });
    return this.#session;
  }

  #retire(session: Session): void {
    if (session.retired) return;
    session.retired = true;
    this.#session = undefined;
  }

  async #open(): Promise<Session> {
    const [{ Client: McpClient }, { StreamableHTTPClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/client/index.js'),
      import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ]);
    const { apiKey, headers, url, connectTimeout } = this.config;
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      fetch: answeringFetch(),
      requestInit: {
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
      },
    });
    const session = {
      client: new McpClient({ name: 'sluice', version: '1.0.0' }),
      users: 0,
      retired: false,
    };
    // The transport declares optional members in a way that exactOptionalPropertyTypes does not match.
    await session.client.connect(transport, {
      timeout: connectTimeout,
    });
    return session;
  }

  async #message(asked: string, said: string, target: Target): Promise<ChatMessage> {
    const [input, output] = await Promise.all([this.countTokens(asked), this.countTokens(said)]);
    return {
      id: `mcp-${uuidv7()}`,
      model: target.upstream,
      created: Math.floor(Date.now() / 1000),
      choices: [{ index: 0, parts: [{ type: 'text', text: said }], finish: 'stop' }],
      usage: usage({ input, output, estimated: true }),
    };
  }

  #failure(error: unknown): GatewayError {
    if (error instanceof GatewayError) return error;
    const { code } = error as { code?: unknown };
    const facts = { provider: this.config.id };
    if (code === REQUEST_TIMEOUT) {
      return new GatewayError('upstream_timeout', 'The MCP server did not answer in time.', {
        cause: error,
        facts,
      });
    }
    if (isHttpStatus(code)) {
      // 404 is about the session, which is ours to mend, and not about a model.
      const known = code === 404 ? 'upstream_error' : codeOfStatus(code);
      return new GatewayError(known, `The MCP server answered with status ${code}.`, {
        cause: error,
        upstream: { provider: this.config.id, status: code, dialect: 'mcp' },
      });
    }
    const said = isOutside(error) ? 'The MCP server failed to answer.' : saidIn(error);
    return new GatewayError('upstream_error', said, { cause: error, facts });
  }
}

function closeUnused(session: Session): void {
  if (session.retired && session.users === 0) void session.client.close().catch(() => undefined);
}

function isHttpStatus(code: unknown): code is number {
  return typeof code === 'number' && code >= 400 && code < 600;
}

/** JSON-RPC's own codes: the server is there, and says no. */
function isRpcError(code: unknown): boolean {
  return typeof code === 'number' && code <= -32_600 && code >= -32_700;
}

/** True for failures of the connection or the session, false for what the server said in good order. */
function isOutside(error: unknown): boolean {
  if (error instanceof GatewayError) return false;
  const { code } = error as { code?: unknown };
  return code !== REQUEST_TIMEOUT && !isRpcError(code);
}

/** The server's words without the SDK's prefix. */
function saidIn(error: unknown): string {
  return error instanceof Error
    ? error.message.replace(/^MCP error -?\d+: /, '')
    : 'The MCP server failed to answer.';
}

/** JSON-RPC code of the SDK's own time limit. */
const REQUEST_TIMEOUT = -32_001;

function answerText({ content = [], structuredContent, isError }: ToolAnswer): string {
  const texts = content.filter((block) => block.type === 'text').map((block) => block.text ?? '');
  const text = texts.join('\n');
  if (isError === true) {
    throw new GatewayError('upstream_error', text === '' ? 'The MCP tool failed.' : text);
  }
  if (texts.length > 0) return text;
  if (structuredContent !== undefined) return JSON.stringify(structuredContent);
  throw new GatewayError('upstream_error', 'The MCP tool answered without text.');
}

async function* once(chunk: ChatChunk): AsyncGenerator<ChatChunk> {
  yield chunk;
}
