import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayError, type ChatCall, type ChatMessage } from '@sluice/kernel';
import type { ProviderAdapter } from '../../libs/providers/src/provider-adapter.js';
import { conversationFor } from './conversation.js';
import { framingOf } from './framing.js';
import type { Golden, GoldenError } from './golden.js';
import { GoldenUpstream, ask, type Served } from './golden-upstream.js';
import { callFor } from './world.js';

/**
 * Everything that is true of every dialect towards a provider, proven with the provider's golden files: they are served
 * over HTTP to the adapter as the gateway makes it, so what is tested is what goes over the wire and comes back.
 */
export function describeDialect(golden: Golden): void {
  describe(`the dialect of ${golden.name}`, () => {
    let server: GoldenUpstream;
    let adapter: ProviderAdapter;
    beforeAll(async () => {
      server = await GoldenUpstream.start(golden);
      adapter = await server.adapter();
    });
    afterAll(async () => {
      await adapter.close();
      await server.close();
    });

    const call = (stream: boolean): ChatCall =>
      callFor(conversationFor(golden), { stream, dialect: 'sluice' });
    const answered = (stream: boolean): Promise<ChatMessage> => ask(adapter, golden, call(stream));
    const { split, join } = framingOf(golden);
    const shapes = [
      ['whole', false],
      ['streamed', true],
    ] as const;

    it.each(shapes)('asks for an answer %s in the provider’s own words', async (shape, stream) => {
      server.asked.length = 0;
      if (stream) server.serveStream();
      else server.serveWhole();
      await answered(stream);
      const [{ path, headers, json }] = server.asked as [(typeof server.asked)[0]];
      const wanted = golden.request[shape];
      expect(path).toBe(wanted.path);
      for (const [name, value] of Object.entries(wanted.headers)) {
        // A star stands for what differs from call to call, as signatures do.
        if (value.endsWith('*')) expect(headers[name]).toContain(value.slice(0, -1));
        else expect(headers[name]).toBe(value);
      }
      expect(json).toEqual(filled(wanted.body, json.id));
    });

    it('reads the whole answer: parts, stop reason, cached and reasoning tokens', async () => {
      server.serveWhole();
      expect(await answered(false)).toMatchObject(golden.expected);
    });

    it('reads the same from the stream', async () => {
      server.serveStream();
      expect(await answered(true)).toMatchObject(golden.expected);
    });

    it('reads the same from a whole answer where a stream was asked for', async () => {
      // Servers that cannot stream answer whole; Bedrock’s frames cannot be mistaken for JSON.
      if (golden.streamType.startsWith('application/')) return;
      server.serveWhole();
      expect((await answered(true)).choices).toEqual(golden.expected.choices);
    });

    const { field, given, means, broken } = golden.stops ?? {
      field: '',
      given: '',
      means: {},
      broken: [],
    };
    /** The same text with another word for its end. */
    const ending = (text: string, word: string): string =>
      text.replace(new RegExp(`("${field}":\\s*)"${given}"`), `$1"${word}"`);
    const serveEnding = (word: string, stream: boolean): void => {
      if (!stream) server.serveWhole(Buffer.from(ending(golden.answer.toString(), word)));
      else {
        const events = split(golden.stream);
        server.serveStream(
          join(events.map(({ data, ...e }) => ({ ...e, data: ending(data, word) }))),
        );
      }
    };

    if (golden.stops !== undefined) {
      it.each(Object.entries(means))('understands the end “%s” as %s', async (word, finish) => {
        for (const [, stream] of shapes) {
          serveEnding(word, stream);
          expect((await answered(stream)).choices[0]!.finish).toBe(finish);
        }
      });
      it('hands on no answer that the model itself broke off', async () => {
        for (const word of broken) {
          for (const [, stream] of shapes) {
            serveEnding(word, stream);
            await expect(answered(stream)).rejects.toMatchObject({ code: 'upstream_error' });
          }
        }
      });
    }

    it.each(golden.errors.map((error) => [error.name, error] as const))(
      'raises what the provider says: %s',
      async (_, error) => {
        server.serve(refusal(error));
        const failure = await answered(error.after !== undefined).catch(
          (thrown: unknown) => thrown,
        );
        expect(failure).toBeInstanceOf(GatewayError);
        expect(failure).toMatchObject({
          message: saidIn(error) ?? expect.any(String),
          ...error.means,
        });
        if (error.status !== undefined && error.status >= 400 && golden.handshake.length === 0) {
          expect(failure).toMatchObject({ upstream: { provider: 'golden', status: error.status } });
        }
      },
    );

    function refusal(error: GoldenError): Served {
      if (error.after !== undefined && error.event !== undefined) {
        const events = split(golden.stream).slice(0, error.after);
        return { bytes: join([...events, error.event]), type: golden.streamType };
      }
      const { status = 200, headers = {}, body, text } = error;
      const bytes = Buffer.from(text ?? JSON.stringify(body));
      return {
        bytes,
        type: text === undefined ? 'application/json' : 'text/html',
        status,
        headers,
      };
    }

    /** Half an answer is an error; an answer without its last formalities is whole. Nothing in between. */
    async function wholeOrRefused(stream: boolean): Promise<'whole' | 'refused'> {
      try {
        expect((await answered(stream)).choices).toEqual(golden.expected.choices);
        return 'whole';
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        expect(['upstream_error', 'upstream_timeout']).toContain(error.code);
        return 'refused';
      }
    }

    it.each([
      ['stream', true],
      ['whole answer', false],
    ] as const)(
      'never takes half for all: a %s that ends, or breaks, behind any byte',
      async (_, stream) => {
        const bytes = stream ? golden.stream : golden.answer;
        const type = stream ? golden.streamType : 'application/json';
        const seen = { whole: 0, refused: 0 };
        for (let length = 0; length < bytes.length; length++) {
          // By turns, to save time: what is left over is the same.
          const torn = length % 2 === 1;
          server.serve({ bytes: bytes.subarray(0, length), type, torn });
          seen[await wholeOrRefused(stream)]++;
        }
        // Most cuts lose something.
        expect(seen.refused).toBeGreaterThan(bytes.length / 2);
      },
      120_000,
    );
  });
}

/** JSON-RPC numbers its requests. */
function filled(body: unknown, id: unknown): unknown {
  return JSON.parse(JSON.stringify(body).replaceAll('"{id}"', JSON.stringify(id ?? null)));
}

/** The provider’s own words, where its error has any. */
function saidIn({ body, event }: GoldenError): string | undefined {
  const said = (body ?? (event === undefined ? undefined : JSON.parse(event.data))) as
    { error?: { message?: string } | string; message?: string } | undefined;
  const error = said?.error;
  if (typeof error === 'object') return error.message;
  return said?.message;
}
