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
  /** With an example in its metadata, which a test holds against it. */
  readonly answer: z.ZodType;
  /** Of the answer; JSON when left out. */
  readonly media?: string;
  readonly status?: number;
  readonly query?: z.ZodType;
  /** The answer with `stream: true`, as `text/event-stream`. */
  readonly streamExample?: string;
  /** Answers errors in Anthropic's shape. */
  readonly anthropic?: boolean;
  /** Takes and gives the headers of a model call. */
  readonly call?: boolean;
}
