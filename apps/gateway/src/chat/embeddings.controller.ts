import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmbeddingService, type EmbeddingInput } from '@sluice/chat';
import { ConfigStore } from '@sluice/config';
import { chatContract } from '@sluice/contracts';
import { microToUsd } from '@sluice/kernel';
import { parseCacheControls } from '@sluice/semantic-cache';
import { checked } from '../http/checked.js';
import { readCallHeaders } from '../http/call-headers.js';
import { clientSignal } from '../http/client-signal.js';
import { callerOf } from '../http/request-state.js';
import { answerHeaders } from './reply.writer.js';

const MAX_INPUTS_PER_CALL = 2048;

interface Asked {
  readonly model: string;
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions: number | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly batchSize: number;
  readonly encoding: 'float' | 'base64';
}

@Controller('v1/embeddings')
export class EmbeddingsController {
  constructor(
    private readonly embeddings: EmbeddingService,
    private readonly config: ConfigStore,
  ) {}

  @Post()
  @HttpCode(200)
  embed(
    @Body() raw: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const {
      model,
      input,
      dimensions,
      encoding_format: encoding,
      ...extra
    } = checked(chatContract.embeddingRequest, raw);
    const inputs = inputsOf(input);
    return this.#answer(
      { model, inputs, dimensions, extra, batchSize: MAX_INPUTS_PER_CALL, encoding },
      request,
      reply,
    );
  }

  @Post('batch')
  @HttpCode(200)
  batch(
    @Body() raw: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    const {
      model,
      texts,
      dimensions,
      batch_size: batchSize,
      encoding_format: encoding,
      ...extra
    } = checked(chatContract.embeddingBatchRequest, raw);
    return this.#answer(
      { model, inputs: texts, dimensions, extra, batchSize, encoding },
      request,
      reply,
    );
  }

  async #answer(asked: Asked, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const result = await this.embeddings.embed({
      id: request.id,
      caller: callerOf(request),
      cache: parseCacheControls(request.headers),
      model: asked.model,
      inputs: asked.inputs,
      dimensions: asked.dimensions,
      extra: asked.extra,
      batchSize: asked.batchSize,
      signal: clientSignal(reply),
      agent: readCallHeaders(request.headers).agent,
      startedAt: request.startedAt,
      route: request.route,
    });
    request.chatCall = result.call;
    reply.headers(answerHeaders(result.call, this.config.current.version));
    reply.header('x-sluice-cost-usd', microToUsd(result.costMicroUsd).toFixed(6));
    return {
      object: 'list',
      data: result.vectors.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: asked.encoding === 'base64' ? base64Of(vector) : Array.from(vector),
      })),
      model: asked.model,
      usage: { prompt_tokens: result.tokens, total_tokens: result.tokens },
    };
  }
}

function inputsOf(
  input: string | readonly (string | number | readonly number[])[],
): EmbeddingInput[] {
  if (typeof input === 'string') return [input];
  // An array of numbers is one text in tokens; all else is one input an element.
  if (typeof input[0] === 'number') return [input as readonly number[]];
  return [...(input as readonly EmbeddingInput[])];
}

/** Little-endian float32, as the OpenAI API sends it. */
function base64Of(vector: Float64Array): string {
  return Buffer.from(Float32Array.from(vector).buffer).toString('base64');
}
