export { AdminOnly, Public, TenantAdmin } from './access.decorator.js';
export { ApiKeyGuard } from './api-key.guard.js';
export { AuditLog, type Deed } from './audit.log.js';
export { AuthModule } from './auth.module.js';
export { KeyService, type KeyView, type NewKey } from './keys/key.service.js';
