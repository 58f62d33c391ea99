/** For `.catch()`: takes one kind of system error (`ENOENT`, `EEXIST`) as undefined, and throws every other one again. */
export function ifCode(code: string): (error: unknown) => undefined {
  return (error) => {
    if ((error as { readonly code?: unknown } | null)?.code === code) return undefined;
    throw error;
  };
}
