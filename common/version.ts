import { readFileSync } from 'node:fs';

/** This program's version: package.json is beside the source tree, and the build copies it beside the compiled one. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
