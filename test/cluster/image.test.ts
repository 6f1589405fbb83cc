import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exists } from '../../image/cache.ts';
import { Cluster } from './cluster.ts';
import { importImages } from './images.ts';
import { finished, RESTRICTED, workload } from './workloads.ts';

/** Looks at the product's image from inside. This needs `make cluster-up` and `make image`. */

const TREE = join(import.meta.dirname, '..', '..');
const ARCHIVE = join(TREE, 'dist/image/lfh-sync.oci.tar');
const { version } = JSON.parse(readFileSync(join(TREE, 'package.json'), 'utf8')) as { version: string };

describe('the image', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let namespace: string;

  before(async () => {
    assert.ok(await exists(ARCHIVE), `no ${ARCHIVE}: run make image`);
    cluster = await Cluster.connect();
    await importImages([ARCHIVE]);
    namespace = await cluster.createNamespace('image');
  });

  after(() => cluster.removeNamespace(namespace));

  /** Runs a line of JavaScript in the image. @returns what it prints */
  function says(job: string, script: string): Promise<string> {
    return run(job, ['--input-type=module', '--eval', script]);
  }

  /** Runs Node in the image. @returns what it prints */
  async function run(job: string, args: readonly string[]): Promise<string> {
    // Named as the containers of operator and sidecar name it: what only the entrypoint says is not for them.
    const command = ['node', ...args];
    const image = `docker.io/library/lfh-sync:${version}`;
    const main = { name: 'main', image, imagePullPolicy: 'Never', command, securityContext: RESTRICTED };
    await cluster.apply([workload('Job', job, { restartPolicy: 'Never', containers: [main] })], namespace);
    return finished(cluster, namespace, job);
  }

  it('runs as nobody, and can write nothing', async () => {
    const script = `import{writeFileSync,readdirSync}from'node:fs';
      let code='';try{writeFileSync('/app/x','')}catch(error){code=error.code}
      console.log(JSON.stringify([process.getuid(),process.getgid(),code,readdirSync('/usr/local/bin')]))`;
    assert.deepEqual(JSON.parse(await says('nobody', script)), [65532, 65532, 'EROFS', ['node']]);
  });

  it('has all that operator and sidecar load, and loads it soon', async () => {
    const script = `const start=process.cpuUsage();
      for(const of of ['operator','sidecar']){await import('/app/'+of+'/run.js')}
      const {user,system}=process.cpuUsage(start);console.log((user+system)/1e6,process.memoryUsage().rss/1e6)`;
    const [seconds = NaN, megabytes = NaN] = (await says('loads', script)).split(' ').map(Number);
    console.log(`      both: ${seconds.toFixed(2)} s of processor time, ${Math.round(megabytes)} MB`);
    assert.ok(seconds < 1.5, `${seconds} s`);
  });

  it('has the command line', async () => {
    const said = await run('version', ['/app/cli/main.js', 'version']);
    assert.ok(said.startsWith(`lfh-sync ${version}, with Node v`), said);
  });

  it('lists what is in it, and trusts the usual authorities', async () => {
    const script = `import{readFileSync}from'node:fs';
      const sbom=JSON.parse(readFileSync('/app/sbom.spdx.json','utf8'));
      const names=sbom.packages.map(({name})=>name);
      const roots=readFileSync(process.env.SSL_CERT_FILE,'utf8').split('BEGIN CERTIFICATE').length-1;
      console.log(JSON.stringify([sbom.spdxVersion,['kafkajs','nats','node','libc6'].every((name)=>names.includes(name)),
        names.includes('mocha'),roots>100]))`;
    assert.deepEqual(JSON.parse(await says('lists', script)), ['SPDX-2.3', true, false, true]);
  });
});
