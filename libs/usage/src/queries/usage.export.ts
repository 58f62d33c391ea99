import type { Queryable } from '@sluice/database';
import { USAGE_COLUMNS } from '../persistence/usage.columns.js';
import { checkRange } from './usage.question.js';

const MOST_DAYS = 3660;
const WEEK_MS = 7 * 86_400_000;
const HOUR_MS = 3_600_000;
const SECOND_MS = 1_000;
/** Rows a page: about a quarter of a megabyte of text. */
const PAGE_ROWS = 1_000;

const LINE = USAGE_COLUMNS.map(({ name, type }) => cellOf(name, type)).join(` || ',' || `);

/**
 * One page: the lines as one text, so that neither the driver nor this process looks at single cells.
 * A slice of time is read through the BRIN index on `at` and sorted; the slices are kept about as small as a page.
 */
const PAGE = `WITH page AS (
  SELECT * FROM token_usage
  WHERE tenant = $1 AND at >= $2 AND at < $3 AND ($4::uuid IS NULL OR (at, request_id) > ($2, $4))
  ORDER BY at, request_id LIMIT ${PAGE_ROWS}
)
SELECT count(*)::int AS n, string_agg(${LINE}, E'\\n' ORDER BY at, request_id) || E'\\n' AS lines,
  (array_agg(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ORDER BY at DESC, request_id DESC))[1] AS last_at,
  (array_agg(request_id ORDER BY at DESC, request_id DESC))[1] AS last_id
FROM page`;

interface Page {
  readonly n: number;
  /** Null when there was no row. */
  readonly lines: string | null;
  readonly last_at: string;
  readonly last_id: string;
}

export interface ExportQuestion {
  readonly tenant: string;
  /** Inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
}

/** Every event of a tenant as CSV (RFC 4180 with LF), in constant memory however long the range is. */
export class UsageExport {
  constructor(private readonly db: Queryable) {}

  /**
   * A header line, then pieces of some thousand lines. Each piece is fetched when it is asked for, without a transaction
   * held open between them, so a slow reader costs the database nothing.
   * @throws GatewayError invalid_request, before the first piece
   */
  csv(question: ExportQuestion): AsyncGenerator<string, void, undefined> {
    checkRange(question, MOST_DAYS);
    return this.#pieces(question);
  }

  async *#pieces({ tenant, from, to }: ExportQuestion): AsyncGenerator<string, void, undefined> {
    yield `${USAGE_COLUMNS.map(({ name }) => name).join(',')}\n`;
    let slice = HOUR_MS;
    let start = from.toISOString();
    let after: string | null = null;
    while (Date.parse(start) < to.getTime()) {
      const end = new Date(Math.min(Date.parse(start) + slice, to.getTime())).toISOString();
      const page = await this.#page([tenant, start, end, after]);
      if (page.lines !== null) yield page.lines;
      if (page.n === PAGE_ROWS) {
        start = page.last_at;
        after = page.last_id;
        slice = Math.max(SECOND_MS, slice / 2);
      } else {
        start = end;
        after = null;
        if (page.n < PAGE_ROWS / 4) slice = Math.min(WEEK_MS, slice * 2);
      }
    }
  }

  async #page(values: readonly (string | null)[]): Promise<Page> {
    const { rows } = await this.db.query<Page>(PAGE, values);
    const [page] = rows;
    if (page === undefined) throw new Error('an aggregate without GROUP BY always gives one row');
    return page;
  }
}

/**
 * The SQL expression of one cell. Text is always quoted, and where a spreadsheet would take it for a formula
 * (it begins with = + - @, tab or CR) an apostrophe goes in front.
 */
function cellOf(name: string, type: string): string {
  if (name === 'at') return `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  if (type !== 'text') return `coalesce(${name}::text, '')`;
  const guarded = `regexp_replace(${name}, '^([=+@\\t\\r-])', '''\\1')`;
  return `coalesce('"' || replace(${guarded}, '"', '""') || '"', '')`;
}
