import { existsSync, readFileSync } from 'node:fs';

/** The kernel's status of a process (`/proc/<pid>/status`). It is empty when there is no such process. */
export function processStatus(pid: number): string {
  const file = `/proc/${pid}/status`;
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
