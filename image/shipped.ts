import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { SHIPPED } from '../cli/io/shipped.ts';
import { CRD_FILES } from '../crds/read.ts';

const TREE = join(import.meta.dirname, '..');

/** Copies what the compiled programs read of the tree, to the same places below `into`. Their version is in package.json. */
export async function copyShipped(into: string): Promise<void> {
  const files = ['package.json', ...Object.values(SHIPPED), ...CRD_FILES.map((file) => join('crds', file))];
  for (const file of files) await cp(join(TREE, file), join(into, file));
}

if (import.meta.main) await copyShipped(process.argv[2] ?? 'dist');
