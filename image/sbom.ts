import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Manifest } from './app.ts';
import type { DebianPackage } from './base.ts';
import { execute } from './cache.ts';

/** The list of what the image contains, in SPDX 2.3: npm's own, and what npm does not know of. */

const TREE = join(import.meta.dirname, '..');

interface Spdx {
  documentNamespace: string;
  readonly creationInfo: { created: string };
  readonly packages: object[];
  readonly relationships: object[];
  readonly documentDescribes: readonly string[];
}

/**
 * @param epoch stands for the time of writing, so that the same image has the same list
 * @returns JSON
 */
export async function billOfMaterials(
  manifest: Manifest,
  nodeVersion: string,
  debian: readonly DebianPackage[],
  epoch: number,
): Promise<string> {
  const args = ['sbom', '--package-lock-only', '--omit=dev', '--sbom-format=spdx'];
  const { stdout } = await execute('npm', args, { cwd: TREE, maxBuffer: 16e6 });
  const spdx = JSON.parse(stdout) as Spdx;
  const others = [
    { name: 'node', version: nodeVersion, purl: `pkg:generic/node@${nodeVersion}` },
    ...debian.map(({ name, version }) => {
      const query = encodeURIComponent(version);
      return { name, version, purl: `pkg:deb/debian/${encodeURIComponent(name)}@${query}?distro=debian-12` };
    }),
  ];
  for (const { name, version, purl } of others) {
    const id = `SPDXRef-Package-${name.replaceAll(/[^A-Za-z0-9.-]/g, '-')}-${version.replaceAll(/[^A-Za-z0-9.-]/g, '-')}`;
    spdx.packages.push({
      name,
      SPDXID: id,
      versionInfo: version,
      downloadLocation: 'NOASSERTION',
      filesAnalyzed: false,
      externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
    });
    spdx.relationships.push({
      spdxElementId: spdx.documentDescribes[0],
      relatedSpdxElement: id,
      relationshipType: 'DEPENDS_ON',
    });
  }
  // npm takes a random one and the current time.
  const hash = createHash('sha256').update(JSON.stringify(spdx.packages)).digest('hex').slice(0, 32);
  spdx.documentNamespace = `http://spdx.org/spdxdocs/${manifest.name}-${manifest.version}-${hash}`;
  spdx.creationInfo.created = new Date(epoch * 1000).toISOString().replace('.000', '');
  return `${JSON.stringify(spdx, undefined, 2)}\n`;
}
