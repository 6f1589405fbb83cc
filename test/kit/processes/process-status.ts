import { existsSync, readFileSync } from 'node:fs';

/** What the kernel says of a process; empty when there is none. */
export function processStatus(pid: number): string {
  const file = `/proc/${pid}/status`;
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
