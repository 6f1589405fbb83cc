import { clusterImages } from './images.ts';
import { assertFit, installPackages } from './machine.ts';
import { type ClusterPrograms, clusterPrograms } from './programs.ts';
import { siteImages } from './site-images.ts';
import { step } from './steps.ts';

/** Finds, installs or builds what a cluster runs, in the cache. @returns also the archives of its own images */
export async function prepareCluster(): Promise<{ programs: ClusterPrograms; images: readonly string[] }> {
  await step('packages', installPackages);
  const programs = await step('programs', clusterPrograms);
  return { programs, images: await step('images', () => clusterImages(programs)) };
}

/** Beforehand, for whoever has something else to do meanwhile; with the images of a site. */
if (import.meta.main) {
  assertFit();
  await prepareCluster();
  await step("a site's images", siteImages);
}
