import { enableCompileCache } from 'node:module';

// Before anything large is imported: the second start compiles nothing.
enableCompileCache();
const { launch } = await import('./launch.js');
await launch();
