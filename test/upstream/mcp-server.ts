import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

/**
 * An MCP server with one tool, `answer {prompt}`. The prompt scripts it: `fail` is the tool's own error, `silent`
 * never answers, `slow` reports progress five times, 250 ms apart, before it does.
 */
export class AnsweringMcpServer {
  readonly prompts: string[] = [];
  readonly headers: (string | undefined)[] = [];
  readonly url: string;

  private constructor(private readonly server: Server) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    server.on('request', (request, response) => {
      this.headers.push(request.headers.authorization);
      const mcp = this.#mcp();
      // Stateless: each request has a server of its own.
      const transport = new StreamableHTTPServerTransport({});
      response.on('close', () => void transport.close());
      void mcp
        .connect(transport as Parameters<McpServer['connect']>[0])
        .then(() => transport.handleRequest(request, response));
    });
  }

  static async start(): Promise<AnsweringMcpServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new AnsweringMcpServer(server);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #mcp(): McpServer {
    const mcp = new McpServer({ name: 'answering', version: '1.0.0' });
    mcp.registerTool(
      'answer',
      { inputSchema: { prompt: z.string() } },
      async ({ prompt }, extra) => {
        this.prompts.push(prompt);
        if (prompt === 'fail')
          return { isError: true, content: [{ type: 'text', text: 'the tool broke' }] };
        if (prompt === 'silent')
          await sleep(10_000, undefined, { signal: extra.signal, ref: false });
        const token = extra._meta?.progressToken;
        if (prompt === 'slow' && token !== undefined) {
          for (let progress = 1; progress <= 5; progress++) {
            await sleep(250);
            await extra.sendNotification({
              method: 'notifications/progress',
              params: { progressToken: token, progress, total: 5 },
            });
          }
        }
        return { content: [{ type: 'text', text: `You said: ${prompt}` }] };
      },
    );
    return mcp;
  }
}
