import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    readonly routeTable: RouteTable;
  }
}

interface KnownRoute {
  readonly pattern: RegExp;
  readonly methods: readonly string[];
}

/** Which methods a path answers to. Fastify's router knows, but only tells of the method that was asked for. */
export class RouteTable {
  readonly #routes: KnownRoute[] = [];

  /** Keeps account of every route that is registered from now on, as `app.routeTable`. */
  static register(app: FastifyInstance): void {
    const table = new RouteTable();
    app.decorate('routeTable', table);
    app.addHook('onRoute', ({ url, method }) => {
      table.#routes.push({ pattern: patternOf(url), methods: [method].flat() });
    });
  }

  /** In alphabetical order; empty when there is no such path. */
  methodsOf(path: string): readonly string[] {
    const found = this.#routes.filter(({ pattern }) => pattern.test(path));
    return [...new Set(found.flatMap(({ methods }) => methods))].toSorted();
  }
}

/** `/v1/admin/keys/:id` → one step of any name; `*` at the end → the rest. */
function patternOf(url: string): RegExp {
  const source = url
    .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(/:\w+/g, '[^/]+')
    .replace(/\*$/, '.+');
  return new RegExp(`^${source}$`);
}
