import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { WireCatalogue } from '@sluice/chat';
import { Public } from '@sluice/auth';
import { GatewayError } from '@sluice/kernel';
import { ModelCatalog } from '@sluice/model-catalog';

/** What Claude Code asks besides messages. */
@Controller()
export class CountTokensController {
  constructor(
    private readonly wires: WireCatalogue,
    private readonly catalog: ModelCatalog,
  ) {}

  /** Counted with the gateway's own tokenizer: the number that limits reserve, not a provider's bill. */
  @Post('v1/messages/count_tokens')
  @HttpCode(200)
  async count(@Body() body: unknown): Promise<{ input_tokens: number }> {
    if (typeof body !== 'object' || body === null) {
      throw new GatewayError('invalid_request', 'The request body must be a JSON object.');
    }
    // The same body as a message, but nothing is to be generated.
    const parsed = this.wires.get('anthropic').parse({ ...body, max_tokens: 1 });
    return { input_tokens: await this.catalog.countPrompt(parsed.prompt()) };
  }

  /** Claude Code's probe; Fastify answers HEAD with the headers of GET. */
  @Get('api/hello')
  @Public()
  hello(): { status: 'ok' } {
    return { status: 'ok' };
  }
}
