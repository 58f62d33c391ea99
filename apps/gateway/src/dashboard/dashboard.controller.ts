import { Controller, Get, Header } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Public } from '@sluice/auth';

const asset = (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');

/** The web page. Public, because it holds nothing: what it shows it asks of the admin API with the reader's key. */
@Controller('dashboard')
@Public()
export class DashboardController {
  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(): Promise<string> {
    return asset('index.html');
  }

  @Get('app.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  script(): Promise<string> {
    return asset('app.js');
  }

  @Get('app.css')
  @Header('content-type', 'text/css; charset=utf-8')
  style(): Promise<string> {
    return asset('app.css');
  }
}
