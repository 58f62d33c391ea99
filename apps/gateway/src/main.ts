import { enableCompileCache } from 'node:module';

// Before anything large is imported: the second start compiles nothing.
enableCompileCache();
const { start } = await import('./start.js');
await start();
