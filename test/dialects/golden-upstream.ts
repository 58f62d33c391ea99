import { DnsCache } from '@sluice/http-client';
import { sluiceSchema } from '@sluice/config';
import {
  MessageAssembler,
  type ChatCall,
  type ChatChunk,
  type ChatMessage,
  type Usage,
} from '@sluice/kernel';
import type { AdapterContext } from '../../libs/providers/src/provider.catalogue.js';
import { PROVIDER_CATALOGUE } from '../../libs/providers/src/provider.catalogue.js';
import type { ProviderAdapter, ProviderAnswer } from '../../libs/providers/src/provider-adapter.js';
import {
  ScriptedUpstream,
  type RecordedRequest,
  type Script,
} from '../upstream/scripted-upstream.js';
import type { Golden } from './golden.js';
import { target } from './world.js';

/** What the server that plays a provider answers with. */
export interface Served {
  readonly bytes: Buffer;
  readonly type: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection is lost behind the last byte; otherwise the answer ends in good order. */
  readonly torn?: boolean;
}

const JSON_TYPE = 'application/json';

/** A server on the loopback that plays one provider with its golden files, whatever name it is asked by. */
export class GoldenUpstream {
  /** Questions; the handshake of a session is left out. */
  readonly asked: RecordedRequest[] = [];
  #served: Served | ((request: RecordedRequest) => Served);

  private constructor(
    readonly golden: Golden,
    private readonly server: ScriptedUpstream,
  ) {
    this.#served = { bytes: golden.answer, type: JSON_TYPE };
    server.always((request) => this.#script(request));
  }

  static async start(golden: Golden): Promise<GoldenUpstream> {
    // Read by the AWS SDK when a client is made.
    Object.assign(process.env, golden.environment);
    return new GoldenUpstream(golden, await ScriptedUpstream.start());
  }

  close(): Promise<void> {
    return this.server.close();
  }

  serve(served: Served | ((request: RecordedRequest) => Served)): void {
    this.#served = served;
  }
  serveWhole(bytes: Buffer = this.golden.answer): void {
    this.serve({ bytes, type: JSON_TYPE });
  }
  serveStream(bytes: Buffer = this.golden.stream): void {
    this.serve({ bytes, type: this.golden.streamType });
  }

  /** The provider's lines of sluice.yaml, with this server in the place of the provider. */
  providerLines(): Record<string, unknown> {
    const text = JSON.stringify(this.golden.provider)
      .replaceAll('{upstream}', this.server.url)
      .replaceAll('{port}', new URL(this.server.url).port);
    return JSON.parse(text) as Record<string, unknown>;
  }

  /** The adapter as the gateway makes it. One character counts as one token where the adapter counts itself. */
  async adapter(over: Readonly<Record<string, unknown>> = {}): Promise<ProviderAdapter> {
    const { providers } = sluiceSchema.parse({
      providers: [{ timeout: '20s', idleTimeout: '20s', ...this.providerLines(), ...over }],
    });
    const load = PROVIDER_CATALOGUE[this.golden.kind as keyof typeof PROVIDER_CATALOGUE];
    const factory = (await load?.()) as (config: unknown, context: unknown) => ProviderAdapter;
    const context: Pick<AdapterContext, 'dns' | 'keepsAlive'> & { readonly tokens: unknown } = {
      dns: loopback(),
      keepsAlive: () => true,
      tokens: { count: async (text: string) => text.length },
    };
    return factory(providers[0], context);
  }

  #script(request: RecordedRequest): Script {
    const rpc = rpcOf(request);
    const greeting = this.golden.handshake.find(
      ({ method, rpc: wanted }) => method === request.method && wanted === rpc?.method,
    );
    const fill = (text: string): string =>
      text.replaceAll('"{id}"', JSON.stringify(rpc?.id ?? null));
    if (greeting !== undefined) {
      const { status, headers = {}, json } = greeting;
      if (json === undefined) return { status, headers };
      return {
        status,
        headers: { 'content-type': JSON_TYPE, ...headers },
        body: fill(JSON.stringify(json)),
      };
    }
    this.asked.push(request);
    const {
      bytes,
      type,
      status = 200,
      headers,
      torn,
    } = typeof this.#served === 'function' ? this.#served(request) : this.#served;
    const body = this.golden.handshake.length === 0 ? bytes : Buffer.from(fill(bytes.toString()));
    return {
      status,
      headers: { 'content-type': type, ...headers },
      body,
      ...(torn === true ? { cutAfterBytes: body.length } : {}),
    };
  }
}

function rpcOf({ json }: RecordedRequest): { method?: string; id?: unknown } | undefined {
  return json?.jsonrpc === undefined ? undefined : json;
}

/** Every name is this machine: providers can be asked by the names that they have. */
export function loopback(): DnsCache {
  return new DnsCache({
    resolve: (_, done) => {
      done(null, [{ address: '127.0.0.1', family: 4 }]);
    },
  });
}

/** What would be sent for a call: the adapter is asked, and its question is refused. */
export async function sentFor(
  server: GoldenUpstream,
  adapter: ProviderAdapter,
  call: ChatCall,
): Promise<unknown> {
  server.asked.length = 0;
  server.serve({ bytes: Buffer.from('{}'), type: JSON_TYPE, status: 500 });
  try {
    await adapter.chat(call, target(server.golden.upstream), call.signal);
  } catch (error) {
    if (server.asked.length === 0) throw error;
  }
  return server.asked[0]?.json;
}

/** Asks, and reads the answer to its end. */
export async function ask(
  adapter: ProviderAdapter,
  golden: Golden,
  call: ChatCall,
): Promise<ChatMessage> {
  const answer = await adapter.chat(call, target(golden.upstream), call.signal);
  if (answer.kind === 'message') return answer.message;
  const assembler = new MessageAssembler();
  for (const chunk of await chunksOf(answer)) assembler.add(chunk);
  const reported: Usage | undefined = answer.usage();
  const message = assembler.message();
  return reported === undefined ? message : { ...message, usage: reported };
}

export async function chunksOf(answer: ProviderAnswer): Promise<ChatChunk[]> {
  if (answer.kind !== 'stream') throw new Error('not a stream');
  return Array.fromAsync(answer.chunks);
}
