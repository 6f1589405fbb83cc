import { gzipSync } from 'node:zlib';
import { createTar } from 'nanotar';
import type { Bundle } from './collect.ts';

/** A bundle as a .tar.gz. @param directory in which its files are, once it is unpacked */
export function archiveOf(bundle: Bundle, directory: string): Uint8Array {
  const files = [...bundle].map(([path, data]) => ({ name: `${directory}/${path}`, data }));
  return gzipSync(createTar(files));
}
