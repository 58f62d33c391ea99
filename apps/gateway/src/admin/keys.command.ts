import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import type { KeyService, KeyView } from '@sluice/auth';
import { keysContract } from '@sluice/contracts';
import { ADMIN_SCOPE, GatewayError, SYSTEM_CALLER, type Caller } from '@sluice/kernel';
import { checked } from '../http/checked.js';
import { keyJson } from './keys.controller.js';

export const KEYS_USAGE = `Usage: npm run keys -- COMMAND

  create --tier TIER --name NAME [--tenant T] [--owner O] [--admin] [--expires TIME]
  list   [--tenant T]
  tier   ID TIER
  revoke ID

  --json  machine-readable output
`;

const OPTIONS = {
  tier: { type: 'string' },
  name: { type: 'string' },
  tenant: { type: 'string' },
  owner: { type: 'string' },
  expires: { type: 'string' },
  admin: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** The operator at a shell: whoever may read the data directory may do everything. */
export function shellCaller(): Caller {
  return { ...SYSTEM_CALLER, id: `shell:${userName()}` };
}

/** Runs one command and returns what to print. @throws GatewayError; TypeError for unknown options */
export async function keysCommand(
  args: readonly string[],
  keys: KeyService,
  by: Caller = shellCaller(),
): Promise<string> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
  });
  const [command, id = '', tier = ''] = positionals;
  const show = (view: KeyView): string =>
    values.json ? json(keyJson(view)) : table([keyJson(view)]);
  switch (command) {
    case 'create': {
      const wanted = checked(keysContract.createKeyRequest, {
        name: values.name,
        tier: values.tier,
        tenant: values.tenant,
        owner: values.owner,
        scopes: values.admin ? [ADMIN_SCOPE] : [],
        expires_at: values.expires,
      });
      const { key, view } = await keys.create(by, {
        name: wanted.name,
        tier: wanted.tier,
        tenant: wanted.tenant ?? undefined,
        owner: wanted.owner ?? undefined,
        scopes: wanted.scopes ?? undefined,
        expiresAt: wanted.expires_at == null ? undefined : new Date(wanted.expires_at),
      });
      if (values.json) return json({ key, ...keyJson(view) });
      return `${key}\n\nKeep it: it is not shown again.\n\n${table([keyJson(view)])}`;
    }
    case 'list': {
      const views = await keys.list(by, { limit: 1000, tenant: values.tenant });
      const rows = views.map(keyJson);
      return values.json ? json(rows) : table(rows);
    }
    case 'tier':
      return show(await keys.changeTier(by, id, tier));
    case 'revoke':
      return show(await keys.revoke(by, id));
    default:
      throw new GatewayError('invalid_request', KEYS_USAGE);
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function table(rows: readonly keysContract.KeyJson[]): string {
  if (rows.length === 0) return 'No keys.\n';
  const head = ['ID', 'NAME', 'TIER', 'TENANT', 'OWNER', 'KEY', 'CREATED', 'STATE'];
  const lines = rows.map((row) => [
    row.id,
    row.name,
    row.tier,
    row.tenant,
    row.owner ?? '-',
    row.hint,
    row.created_at.slice(0, 10),
    row.revoked_at === null ? 'active' : `revoked ${row.revoked_at.slice(0, 10)}`,
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)),
  );
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
    .concat('\n');
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user id without an entry in /etc/passwd.
    return String(process.getuid?.() ?? 'unknown');
  }
}
