import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

/**
 * Stands in for nats-io/nack's nats-server-config-reloader, whose module cannot be had on the machines that run this: takes
 * the same two options, and does the same with them. When a file that `-config` names has other content than before, the process
 * whose id is in the file `-pid` gets a SIGHUP. (The real one is told of changes by the kernel; this one looks.)
 */
const LOOK_MS = 200;

const { values } = parseArgs({
  // Go's way to write options has one dash, the way of parseArgs two.
  args: process.argv.slice(2).map((arg) => arg.replace(/^-(?=[a-z])/, '--')),
  options: { pid: { type: 'string' }, config: { type: 'string', multiple: true } },
});
const { pid = '/var/run/nats/nats.pid', config = ['/etc/nats-config/nats.conf'] } = values;

const known = new Map<string, string>();
for (;;) {
  const changed: string[] = [];
  for (const file of config) {
    const digest = await digestOf(file);
    // One that is gone may come back; what the server has stays in force meanwhile.
    if (digest === undefined || digest === known.get(file)) continue;
    if (known.has(file)) changed.push(file);
    known.set(file, digest);
  }
  if (changed.length > 0) await reload(changed);
  await sleep(LOOK_MS);
}

function digestOf(file: string): Promise<string | undefined> {
  return readFile(file).then(
    (content) => createHash('sha256').update(content).digest('hex'),
    () => undefined,
  );
}

async function reload(changed: readonly string[]): Promise<void> {
  try {
    process.kill(Number((await readFile(pid, 'utf8')).trim()), 'SIGHUP');
    console.log(`reloads for ${changed.join(', ')}`);
  } catch (error) {
    console.error(`not reloaded: ${(error as Error).message}`);
    for (const file of changed) known.set(file, '');
  }
}
