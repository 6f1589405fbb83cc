import { readdir } from 'node:fs/promises';
import { nodeLayout } from '../operator/directory/layout.ts';
import { until } from '../test/kit/processes/process.ts';
import { kafkaClassPath } from '../test/kit/servers/kafka.ts';
import { natsServerProgram } from '../test/kit/servers/nats-server.ts';
import { DirectorySite } from '../test/kit/sites/directory-site.ts';
import { NODE } from '../test/kit/sites/peered-site.ts';
import { type Place, SPEC } from './place.ts';
import { begin, say } from './story.ts';

/** Each hospital is a directory with YAML files, and a process of `lfh-sync run` of its own. */
export async function inDirectories(): Promise<Place> {
  // The first time: one is compiled while the other is downloaded.
  await Promise.all([natsServerProgram(), kafkaClassPath()]);
  begin('Two hospitals, each with its own CA, nats-server (TLS, NKeys), Kafka, and a directory: lfh-sync run sync');
  const [a, b] = await Promise.all([
    DirectorySite.start('hospital-a', { spec: SPEC }),
    DirectorySite.start('hospital-b', { spec: SPEC }),
  ]);
  return {
    a,
    b,
    takesInvitation: 'cp invitation.yaml sync/hospital.yaml',
    deletesPeer: 'rm sync/peer-hospital-b.yaml',
    showNodes: async () => {
      say('In each directory is one file, node.yaml. lfh-sync made a key for it, and wrote below sync/state:');
      const { nats, sidecar } = nodeLayout(a.layout, NODE);
      const namesIn = async (directory: string): Promise<string[]> =>
        (await readdir(directory)).filter((name) => !name.startsWith('.'));
      say(`| ${NODE}/nats: ${(await namesIn(nats)).join(', ')} - what its nats-server includes`);
      say(`| ${NODE}/sidecar: ${(await namesIn(sidecar)).length} settings, and its secrets`);
      say(`| ${NODE}/invitation.yaml - for the other side`);
      say('| status.yaml - what kubectl get would show');
    },
    showPeers: async () => {
      for (const site of [a, b]) {
        let text = '';
        await until('status.yaml says it', async () => {
          text = await site.status();
          return text.split('reason: AllReady').length > 2;
        });
        const lines = text.slice(text.indexOf('\npeers:')).split('\n');
        say(`${site.lfhId}, status.yaml:`);
        say(lines.filter((line) => /^ {2}\S|type:|status: '|reason:/.test(line)).join('\n'));
      }
    },
    stop: async () => {
      for (const site of [a, b]) await site.stop();
    },
  };
}
