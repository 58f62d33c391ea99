import type { z } from 'zod';

/** One route as the OpenAPI document shows it. */
export interface RouteDoc {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete' | 'head';
  /** OpenAPI path template. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: 'open' | 'caller' | 'admin';
  readonly body?: z.ZodType;
  /** JSON answer; a media type where the answer is not JSON. */
  readonly answer?: z.ZodType | string;
  readonly status?: number;
  readonly query?: z.ZodType;
  /** Also answers as `text/event-stream` when `stream` is true. */
  readonly streams?: boolean;
}
