import { execute, exists } from '../../image/cache.ts';
import { CONTAINERD, NAMESPACE } from './layout.ts';

/** The bridge to which every pod of the node has a cable (node-files.ts). */
const BRIDGE = 'cni0';

/**
 * Takes the cables out of pods: nothing reaches them and nothing leaves them, and nobody is told. Their processes go on, and so do
 * their connections when the cables are put back.
 *
 * @param addresses of the pods
 * @returns what puts them back
 */
export async function cutOff(addresses: readonly string[]): Promise<() => Promise<void>> {
  if (!(await exists(CONTAINERD))) throw new Error('only pods of `make cluster-up` can be cut off');
  const neighbours = await json<readonly { dst: string; lladdr?: string }[]>(
    'ip',
    '-n',
    NAMESPACE,
    '-j',
    'neigh',
    'show',
  );
  const fdb = ['-n', NAMESPACE, '-j', 'fdb', 'show', 'br', BRIDGE];
  const ports = await json<readonly { mac: string; ifname: string }[]>('bridge', ...fdb);
  const cables = addresses.map((address) => {
    const mac = neighbours.find(({ dst }) => dst === address)?.lladdr;
    const port = ports.find((each) => each.mac === mac && each.ifname !== BRIDGE);
    if (!port) throw new Error(`no cable of the node leads to ${address}`);
    return port.ifname;
  });
  const set = async (state: 'up' | 'down'): Promise<void> => {
    for (const cable of cables) await execute('ip', ['-n', NAMESPACE, 'link', 'set', cable, state]);
  };
  await set('down');
  return () => set('up');
}

async function json<Answer>(program: string, ...args: string[]): Promise<Answer> {
  return JSON.parse((await execute(program, args)).stdout) as Answer;
}
