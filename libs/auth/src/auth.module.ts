import { Module } from '@nestjs/common';
import { ConfigStore } from '@sluice/config';
import { Database } from '@sluice/database';
import { Clock } from '@sluice/kernel';
import { Logger } from '@sluice/observability';
import { KeyHasher } from './api-key.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { AuditLog } from './audit.log.js';
import { AuthSecrets } from './auth.secrets.js';
import { CallerIdentifier } from './caller.identifier.js';
import { JwtVerifier } from './jwt/jwt.verifier.js';
import { KeyLookup } from './keys/key.lookup.js';
import { KeyService } from './keys/key.service.js';
import { KeyVerifier } from './keys/key.verifier.js';
import { checkPepper } from './pepper.check.js';
import { KeyRepository } from './persistence/key.repository.js';

@Module({
  providers: [
    {
      provide: AuthSecrets,
      useFactory: ({ env }: ConfigStore, logger: Logger) =>
        AuthSecrets.load(
          {
            dataDir: env.SLUICE_DATA_DIR,
            pepper: env.SLUICE_KEY_PEPPER,
            adminKey: env.SLUICE_ADMIN_KEY,
          },
          logger,
        ),
      inject: [ConfigStore, Logger],
    },
    {
      provide: KeyHasher,
      useFactory: async (secrets: AuthSecrets, database: Database) => {
        const hasher = new KeyHasher(secrets.pepper);
        await checkPepper(database, hasher);
        return hasher;
      },
      inject: [AuthSecrets, Database],
    },
    {
      provide: JwtVerifier,
      useFactory: ({ env }: ConfigStore, clock: Clock) =>
        new JwtVerifier(
          {
            secret: env.JWT_SECRET,
            jwksUrl: env.JWT_JWKS_URL,
            issuer: env.JWT_ISSUER,
            audience: env.JWT_AUDIENCE,
          },
          clock,
        ),
      inject: [ConfigStore, Clock],
    },
    KeyRepository,
    KeyLookup,
    KeyVerifier,
    KeyService,
    AuditLog,
    CallerIdentifier,
    ApiKeyGuard,
  ],
  exports: [ApiKeyGuard, KeyService, AuditLog],
})
export class AuthModule {}
