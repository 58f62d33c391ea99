/** One step of the schema, in plain SQL. A released migration is never edited: a new one follows it. */
export interface Migration {
  /** Counts from 1 in the order of application; unique, and the first part of the file's name. */
  readonly number: number;
  /** Lower case words joined by dashes: the second part of the file's name. */
  readonly name: string;
  /** The lib that owns the tables: it alone reads and writes them. */
  readonly owner: string;
  /** Statements separated by semicolons, run in one transaction. */
  readonly up: string;
  /** Takes `up` back, data included. */
  readonly down: string;
}

/** The name under which an applied migration is recorded. TypeORM wants thirteen digits at its end. */
export function recordedName(migration: Migration): string {
  return `${migration.name}-${String(migration.number).padStart(13, '0')}`;
}
