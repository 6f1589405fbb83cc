import assert from 'node:assert/strict';
import { askOneFamily } from '../../../../operator/nats/sign-in.ts';
import type { ServerReport } from '../../../../operator/plan/observed/observed.ts';

describe('servers behind a name that has addresses of both IP families', () => {
  const IPV6 = ['fd00::2', 'fd00::3'];
  const IPV4 = ['10.0.0.2', '10.0.0.3'];

  /** What is reported, where only some addresses answer. */
  async function reported(families: readonly string[][], answering: Record<string, ServerReport['outcome']>) {
    const ask = async (server: string): Promise<ServerReport> => ({
      server,
      outcome: answering[server] ?? 'Unreachable',
      message: '',
    });
    return (await askOneFamily(families, ask)).map(({ server, outcome }) => `${server} ${outcome}`);
  }

  it('are each asked once, at the family that the resolver prefers', async () => {
    const all = { 'fd00::2': 'Live', 'fd00::3': 'Live', '10.0.0.2': 'Live', '10.0.0.3': 'Live' } as const;
    assert.deepEqual(await reported([IPV6, IPV4], all), ['fd00::2 Live', 'fd00::3 Live']);
    assert.deepEqual(await reported([IPV4, IPV6], all), ['10.0.0.2 Live', '10.0.0.3 Live']);
  });

  it('are asked at the other family where none of them answers at the first', async () => {
    const onlyIpv4 = { '10.0.0.2': 'Live' } as const;
    assert.deepEqual(await reported([IPV6, IPV4], onlyIpv4), ['10.0.0.2 Live', '10.0.0.3 Unreachable']);
    assert.deepEqual(await reported([IPV4, IPV6], { 'fd00::3': 'IncludeMissing' }), [
      'fd00::2 Unreachable',
      'fd00::3 IncludeMissing',
    ]);
  });

  it('count as down at the first family where none answers at any, and one that is down beside others is told', async () => {
    assert.deepEqual(await reported([IPV6, IPV4], {}), ['fd00::2 Unreachable', 'fd00::3 Unreachable']);
    const one = { 'fd00::2': 'Live', '10.0.0.3': 'Live' } as const;
    assert.deepEqual(await reported([IPV6, IPV4], one), ['fd00::2 Live', 'fd00::3 Unreachable']);
    assert.deepEqual(await reported([], {}), []);
  });
});
