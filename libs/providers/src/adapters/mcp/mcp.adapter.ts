import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  ChatChunk,
  GatewayError,
  eventsOf,
  usage,
  uuidv7,
  type ChatCall,
  type ChatMessage,
  type Target,
} from '@sluice/kernel';
import { ProviderAdapter, type ProviderAnswer } from '../../provider-adapter.js';
import { Deadlines } from '../deadlines.js';
import { promptText } from './mcp.body.js';

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

/**
 * A model whose answers come from a tool of an MCP server, over streamable HTTP. The tool gets the prompt's text in one
 * argument; what it returns is the answer. A sampler's settings (temperature, length) mean nothing to it.
 */
export class McpAdapter extends ProviderAdapter {
  #connection: Promise<Client> | undefined;

  constructor(
    private readonly config: McpConfig,
    private readonly countTokens: CountTokens,
  ) {
    super();
  }

  override async chat(
    call: ChatCall,
    target: Target,
    signal: AbortSignal,
  ): Promise<ProviderAnswer> {
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
    const client = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    await client?.close();
  }

  async #ask(text: string, signal: AbortSignal): Promise<string> {
    const deadlines = new Deadlines(signal);
    deadlines.within(this.config.timeout);
    try {
      const client = await deadlines.race(this.#connect());
      const answer = (await deadlines.race(
        client.callTool(
          { name: this.config.tool, arguments: { [this.config.argument]: text } },
          undefined,
          {
            signal: deadlines.signal,
            // A tool that reports progress may take its time, up to the whole call's limit.
            timeout: Math.min(this.config.idleTimeout, this.config.timeout),
            resetTimeoutOnProgress: true,
            maxTotalTimeout: this.config.timeout,
            onprogress: () => undefined,
          },
        ),
      )) as ToolAnswer;
      deadlines.end();
      return answerText(answer);
    } catch (error) {
      deadlines.end(true);
      throw this.#failure(error);
    }
  }

  #connect(): Promise<Client> {
    this.#connection ??= this.#open().catch((error: unknown) => {
      this.#connection = undefined;
      throw error;
    });
    return this.#connection;
  }

  async #open(): Promise<Client> {
    const [{ Client: McpClient }, { StreamableHTTPClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/client/index.js'),
      import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ]);
    const { apiKey, headers, url, connectTimeout } = this.config;
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      requestInit: {
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
      },
    });
    const client = new McpClient({ name: 'sluice', version: '1.0.0' });
    client.onclose = () => {
      this.#connection = undefined;
    };
    // The transport declares optional members in a way that exactOptionalPropertyTypes does not match.
    await client.connect(transport, {
      timeout: connectTimeout,
    });
    return client;
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
    // The session may be gone with the server that held it: the next call starts a new one.
    void this.close().catch(() => undefined);
    return new GatewayError('upstream_error', 'The MCP server failed to answer.', {
      cause: error,
      facts,
    });
  }
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
