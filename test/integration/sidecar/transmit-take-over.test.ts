import assert from 'node:assert/strict';
import type { TransmitStatus } from '../../../common/contract/transmit-status.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { FhirServer } from '../../kit/servers/fhir-server.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

describe('two sidecars of a node that transmits to a FHIR server', function () {
  this.timeout(120_000);
  let a: Site;
  let b: Site;
  let server: FhirServer;
  let sidecars: SidecarProcess[];

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
    server = await FhirServer.start();
    const settings = { LFH_SYNC_FHIR_SERVERS: JSON.stringify([{ url: server.url }]) };
    sidecars = await Promise.all([1, 2].map(() => SidecarProcess.start(b, { peers: [{ site: a }], settings })));
  });

  after(async () => {
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    await Promise.all([server.stop(), a.stop(), b.stop()]);
  });

  async function statusAt(sidecar: SidecarProcess): Promise<TransmitStatus> {
    const [status] = (await sidecar.status()).transmit ?? [];
    assert.ok(status);
    return status;
  }

  /** The one that transmits, when the other one knows that it does not. */
  async function transmitting(): Promise<SidecarProcess> {
    let found: SidecarProcess | undefined;
    await until('one of them transmits', async () => {
      const reasons = await Promise.all(sidecars.map(async (sidecar) => (await statusAt(sidecar)).reason));
      found = sidecars[reasons.indexOf('Transmitting')];
      return found !== undefined && reasons.includes('NotOwned');
    });
    return found as SidecarProcess;
  }

  const announce = (versions: readonly string[]): Promise<void> =>
    a.announce(
      versions.map((versionId) => {
        const content = { resourceType: 'Patient', id: 'updated', meta: { versionId } };
        return connectMessage({ lfhId: a.lfhId, content, overrides: { operation: 'PUT' } }).payload;
      }),
    );

  const newest = (): string | undefined => server.taken.at(-1)?.meta?.versionId;

  it('put no older version over a newer one where one of them stands still in the middle of a round', async () => {
    const still = await transmitting();
    server.delayMs = 300;
    await announce(Array.from({ length: 20 }, (_, n) => String(n + 1)));
    await until('the round has begun', () => server.taken.length >= 3);
    await still.process.pause();
    server.delayMs = 0;
    await announce(['21']);
    await until('the other one has sent the newest', () => newest() === '21');
    const { length } = await still.log();
    still.process.resume();
    await until('it has ended its round', async () =>
      (await still.log()).slice(length).includes('the transmission stopped'),
    );
    assert.equal(newest(), '21');
  });

  it('tell of what waits for a server only while they transmit to it', async () => {
    // Nobody answers there, which does not matter here. Of so many, each of the two has some.
    const servers = Array.from({ length: 8 }, (_, n) => ({ url: `http://127.0.0.1:1/${n}` }));
    const settings = { LFH_SYNC_FHIR_SERVERS: JSON.stringify(servers) };
    const [one, two] = sidecars as [SidecarProcess, SidecarProcess];
    for (const sidecar of sidecars) await sidecar.configure([{ site: a }], settings);
    const ownedBy = async (sidecar: SidecarProcess): Promise<number> => {
      const { transmit = [] } = await sidecar.status();
      return transmit.length === servers.length && transmit.every(({ owned, lag }) => owned === (lag !== null))
        ? transmit.filter(({ owned }) => owned).length
        : Number.NaN;
    };
    await two.stop();
    await until('one has all', async () => (await ownedBy(one)) === servers.length);
    await two.start();
    await until('they share them', async () => {
      const [ofOne, ofTwo] = [await ownedBy(one), await ownedBy(two)];
      return ofOne < servers.length && ofOne + ofTwo === servers.length;
    });
  });
});
