export { AlertWebhook } from './alerts/alert.webhook.js';
export {
  BudgetAlertRepository,
  type BudgetAlert,
  type StoredAlert,
} from './alerts/budget-alert.js';
export { DegradeAdvice } from './degrade.advice.js';
export { EmergencySwitch } from './emergency/emergency.switch.js';
export { LimitBook } from './limit.book.js';
export { LimitsView, type LimitStanding } from './limits.view.js';
export type { ScopeKind, Unit } from './scopes/limit.js';
export { TokenHeaders } from './token.headers.js';
export { TokenLimitsInterceptor } from './token-limits.interceptor.js';
export { TokenLimitsModule } from './token-limits.module.js';
