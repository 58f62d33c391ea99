import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { TenantAdmin, KeyService, type KeyView } from '@sluice/auth';
import { keysContract } from '@sluice/contracts';
import { checked } from '../http/checked.js';
import { callerOf } from '../http/request-state.js';

/** API keys. Administrators of another tenant than `default` see and change their own tenant's alone. */
@Controller('v1/admin/keys')
@TenantAdmin()
export class KeysController {
  constructor(private readonly keys: KeyService) {}

  /** The answer shows the key, for the only time. */
  @Post()
  async create(
    @Req() request: FastifyRequest,
    @Body() body: unknown,
  ): Promise<keysContract.CreatedKeyJson> {
    const wanted = checked(keysContract.createKeyRequest, body);
    const expiresAt = wanted.expires_at == null ? undefined : new Date(wanted.expires_at);
    const { key, view } = await this.keys.create(callerOf(request), {
      name: wanted.name,
      tier: wanted.tier,
      tenant: wanted.tenant ?? undefined,
      owner: wanted.owner ?? undefined,
      scopes: wanted.scopes ?? undefined,
      expiresAt,
    });
    return { key, ...keyJson(view) };
  }

  /** Newest first, revoked ones included; the next page is asked for with `after`. */
  @Get()
  async list(
    @Req() request: FastifyRequest,
    @Query() query: unknown,
  ): Promise<keysContract.KeyListJson> {
    const { limit, after, tenant } = checked(keysContract.listKeysQuery, query);
    // One more than asked for tells whether there are more.
    const page = { limit: limit + 1, after, tenant };
    const found = await this.keys.list(callerOf(request), page);
    const data = found.slice(0, limit).map(keyJson);
    return { object: 'list', data, has_more: found.length > limit };
  }

  @Patch(':id')
  async change(
    @Req() request: FastifyRequest,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<keysContract.KeyJson> {
    const { tier } = checked(keysContract.changeKeyRequest, body);
    return keyJson(await this.keys.changeTier(callerOf(request), id, tier));
  }

  /** Works on every replica within 5 s. Revoking twice changes nothing. */
  @Delete(':id')
  async remove(
    @Req() request: FastifyRequest,
    @Param('id') id: string,
  ): Promise<keysContract.KeyJson> {
    return keyJson(await this.keys.revoke(callerOf(request), id));
  }

  /** The same for clients that cannot send DELETE. */
  @Post(':id/revoke')
  @HttpCode(200)
  async revoke(
    @Req() request: FastifyRequest,
    @Param('id') id: string,
  ): Promise<keysContract.KeyJson> {
    return keyJson(await this.keys.revoke(callerOf(request), id));
  }
}

export function keyJson(view: KeyView): keysContract.KeyJson {
  return {
    object: 'api_key',
    id: view.id,
    name: view.name,
    hint: view.hint,
    tier: view.tier,
    tenant: view.tenant,
    owner: view.owner,
    scopes: [...view.scopes],
    created_at: view.createdAt.toISOString(),
    expires_at: view.expiresAt?.toISOString() ?? null,
    revoked_at: view.revokedAt?.toISOString() ?? null,
  };
}
