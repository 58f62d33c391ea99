/** JSON text that jsonb takes: it has no room for NUL and halves of surrogate pairs, and callers name things with them. */
export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  // JSON escapes in this way what Postgres refuses, and hardly anything else.
  return json.includes('\\u') ? JSON.stringify(value, storable) : json;
}

function storable(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '') : value;
}
