import { readFile } from 'node:fs/promises';

/**
 * Files of the tree that the program reads when it runs. The build puts them beside the compiled program, at the same places below
 * it, so that a text of the documentation is not written a second time.
 */
export const SHIPPED = { alerts: 'charts/lfh-sync/files/alerts.yaml', alertsPage: 'docs/alerts.md' } as const;

export function readShipped(file: keyof typeof SHIPPED): Promise<string> {
  return readFile(new URL(`../../${SHIPPED[file]}`, import.meta.url), 'utf8');
}
