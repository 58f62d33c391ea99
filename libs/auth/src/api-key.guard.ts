import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { GatewayError, isAdmin, isOperator, type Caller } from '@sluice/kernel';
import { ACCESS, type Access } from './access.decorator.js';
import { CallerIdentifier, type IdentitySource } from './caller.identifier.js';
import { unauthorized } from './presented-credential.js';

/** What the guard reads of a Fastify request, and the one thing it writes. */
interface GuardedRequest extends IdentitySource {
  caller?: Caller;
}

/**
 * Closed by default: a route is reached without identity only when it says `@Public()`. What a route demands is
 * read from the handler that matched, never from the path or the Host header, which a caller can spell in many ways.
 */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  readonly #access = new WeakMap<object, Access>();

  constructor(
    private readonly reflector: Reflector,
    private readonly identifier: CallerIdentifier,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const access = this.#accessOf(context);
    if (access === 'public') return true;
    const request = context.getArgByIndex<GuardedRequest>(0);
    const caller = this.identifier.identify(request);
    return caller instanceof Promise
      ? caller.then((known) => admit(request, known, access))
      : admit(request, caller, access);
  }

  #accessOf(context: ExecutionContext): Access {
    const handler = context.getHandler();
    let access = this.#access.get(handler);
    if (access === undefined) {
      const targets = [handler, context.getClass()];
      access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, targets) ?? 'caller';
      this.#access.set(handler, access);
    }
    return access;
  }
}

function admit(request: GuardedRequest, caller: Caller, access: Access): true {
  const refusal = refusalOf(caller, access);
  if (refusal !== undefined) {
    if (caller.kind === 'anonymous')
      throw unauthorized('An API key with the admin scope is required.');
    throw new GatewayError('forbidden', refusal, { shouldRetry: false });
  }
  request.caller = caller;
  return true;
}

function refusalOf(caller: Caller, access: Access): string | undefined {
  if (access !== 'admin' && access !== 'tenant-admin') return undefined;
  if (!isAdmin(caller)) return 'This needs a key with the admin scope.';
  return access === 'admin' && !isOperator(caller)
    ? 'This concerns every tenant: it needs a key with the admin scope in the tenant "default".'
    : undefined;
}
