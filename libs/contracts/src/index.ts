export * as chatContract from './chat.contract.js';
export * as keysContract from './keys.contract.js';
