import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, execute } from '../../../image/cache.ts';

const MODULE = 'github.com/prometheus-operator/prometheus-operator';
const VERSION = 'v0.85.0';
const KINDS = ['podmonitors', 'prometheusrules', 'servicemonitors'];

/** The CRDs, as YAML, of those kinds of the Prometheus Operator that the chart uses. They are in its Go module. */
export async function prometheusCrds(): Promise<string> {
  const about = `the CRDs of the Prometheus Operator ${VERSION}, from the Go module proxy`;
  const place = await cached(`prometheus-operator-crds-${VERSION}`, about, async (into) => {
    const env = { ...process.env, GOFLAGS: '-modcacherw' };
    // This must not run inside a Go module, whose go.mod would apply.
    const { stdout } = await execute('go', ['mod', 'download', '-json', `${MODULE}@${VERSION}`], { env, cwd: into });
    const { Dir: directory } = JSON.parse(stdout) as { Dir: string };
    for (const kind of KINDS) {
      const from = join(directory, 'example', 'prometheus-operator-crd', `monitoring.coreos.com_${kind}.yaml`);
      await copyFile(from, join(into, `${kind}.yaml`));
    }
  });
  const files = (await readdir(place)).sort();
  // Each file begins with its own line `---`.
  return (await Promise.all(files.map((file) => readFile(join(place, file), 'utf8')))).join('');
}
