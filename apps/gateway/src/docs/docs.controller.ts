import { Controller, Get, Header, Param, StreamableFile } from '@nestjs/common';
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Public } from '@sluice/auth';
import { GatewayError } from '@sluice/kernel';
import { VERSION } from '../version.js';
import { openApiDocument, type OpenApiDocument } from './openapi.document.js';

/** The files of Swagger UI that the page needs; nothing else of the package is served. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui-standalone-preset.js': 'text/javascript; charset=utf-8',
};

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Sluice API</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/swagger-ui-standalone-preset.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;

const START = `SwaggerUIBundle({
  url: '/docs-json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset.slice(0, 1)],
});
`;

/**
 * Swagger UI and the OpenAPI document. Served by hand: Nest's own module would load 500 files at every start
 * for a page that is opened rarely.
 */
@Controller()
@Public()
export class DocsController {
  #document: OpenApiDocument | undefined;
  readonly #folder = dirname(
    createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'),
  );

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    return PAGE;
  }

  @Get('docs/start.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  start(): string {
    return START;
  }

  @Get('docs/:file')
  @Header('cache-control', 'public, max-age=86400')
  asset(@Param('file') file: string): StreamableFile {
    const type = ASSETS[file];
    if (type === undefined)
      throw new GatewayError('not_found', 'The documentation has no such file.');
    return new StreamableFile(createReadStream(join(this.#folder, file)), { type });
  }

  /** Built on the first request. */
  @Get('docs-json')
  document(): OpenApiDocument {
    this.#document ??= openApiDocument(VERSION);
    return this.#document;
  }
}
