import { enableCompileCache } from 'node:module';

enableCompileCache();
const { start } = await import('./start.js');
await start();
