import { z } from 'zod';

const PRINTABLE = /^\P{C}+$/u;
const printable = z.string().regex(PRINTABLE, { error: 'expected printable characters' });

/** A caller's id: a key's owner or a token's subject. `ip:` is kept for callers without a key, `sluice:` for the operator and the gateway's own work. */
export const callerId = printable
  .min(1)
  .max(256)
  .refine((id) => !/^(ip|sluice):/.test(id), { error: 'may not start with ip: or sluice:' });

export const tenantName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
  error: 'expected letters, digits and . _ - (at most 64 characters)',
});

const tier = z.string().min(1).max(64).meta({ description: 'A tier of policies.yaml.' });
const scopes = z.array(z.enum(['admin'])).max(8);

/** `POST /v1/admin/keys` */
export const createKeyRequest = z
  .strictObject({
    name: printable.min(1).max(100),
    tier,
    tenant: tenantName.nullish(),
    owner: callerId.nullish().meta({
      description:
        'The caller whom the key stands for: several keys of one owner share its limits.',
    }),
    scopes: scopes.nullish(),
    expires_at: z.iso
      .datetime({ offset: true, error: 'expected a time such as 2027-01-31T00:00:00Z' })
      .nullish(),
  })
  .meta({ examples: [{ name: 'ci', tier: 'paid', owner: 'build-server' }] });

/** `PATCH /v1/admin/keys/{id}` */
export const changeKeyRequest = z.strictObject({ tier }).meta({ examples: [{ tier: 'paid' }] });

/** `GET /v1/admin/keys` */
export const listKeysQuery = z.strictObject({
  limit: z.coerce.number().pipe(z.int().min(1).max(1000)).default(100),
  after: z.uuid().optional(),
  tenant: tenantName.optional(),
});

const KEY = {
  object: 'api_key' as const,
  id: '01a20191-300e-7629-be04-d21fdb116fd3',
  name: 'ci',
  hint: 'mPMI',
  tier: 'paid',
  tenant: 'default',
  owner: 'build-server',
  scopes: [],
  created_at: '2026-11-22T04:43:40.000Z',
  expires_at: null,
  revoked_at: null,
};

const key = z.object({
  object: z.literal('api_key'),
  id: z.uuid(),
  name: z.string(),
  hint: z.string().meta({ description: 'The end of the key, to recognise it by.' }),
  tier: z.string(),
  tenant: z.string(),
  owner: z.string().nullable(),
  scopes: z.array(z.string()),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
});

export const keyView = key.meta({ examples: [KEY] });

export const createdKey = key
  .extend({ key: z.string().meta({ description: 'The key itself. It is shown this once.' }) })
  .meta({ examples: [{ key: `sk-sluice-${'x'.repeat(43)}`, ...KEY }] });

export const keyList = z
  .object({ object: z.literal('list'), data: z.array(key), has_more: z.boolean() })
  .meta({ examples: [{ object: 'list', data: [KEY], has_more: false }] });

export type KeyJson = z.output<typeof keyView>;
export type CreatedKeyJson = z.output<typeof createdKey>;
export type KeyListJson = z.output<typeof keyList>;
