import { Injectable, Optional } from '@nestjs/common';
import { GatewayError, type DialectName } from '@sluice/kernel';
import { AnthropicWire } from './anthropic.wire.js';
import { OpenAiChatWire } from './openai-chat.wire.js';
import { OpenAiCompletionsWire } from './openai-completions.wire.js';
import { OpenAiResponsesWire } from './openai-responses.wire.js';
import { ResponseHistory } from './response-history.js';
import { SluiceWire } from './sluice.wire.js';
import type { WireDialect } from './wire-dialect.js';

/** Every dialect that callers may speak. */
@Injectable()
export class WireCatalogue {
  readonly #byName: ReadonlyMap<DialectName, WireDialect>;

  constructor(@Optional() history?: ResponseHistory) {
    // A new dialect is a line here.
    const dialects: readonly WireDialect[] = [
      new OpenAiChatWire(),
      new OpenAiCompletionsWire(),
      new OpenAiResponsesWire(history),
      new AnthropicWire(),
      new SluiceWire(),
    ];
    this.#byName = new Map(dialects.map((dialect) => [dialect.name, dialect]));
  }

  get all(): readonly WireDialect[] {
    return [...this.#byName.values()];
  }

  /** @throws GatewayError internal for a name that no door speaks: a fault of the route's declaration. */
  get(name: DialectName): WireDialect {
    const dialect = this.#byName.get(name);
    if (dialect === undefined) {
      throw new GatewayError('internal', `No wire dialect is named ${name}.`);
    }
    return dialect;
  }
}
