import assert from 'node:assert/strict';
import { type Answers, askEndpoints, askOneFamily } from '../../../../operator/nats/sign-in.ts';
import { type Endpoint, serverAt } from '../../../../operator/plan/observed/endpoints.ts';
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

describe('servers behind a Service', () => {
  const NOW = 1_800_000_000_000;
  const endpoint = (last: number, state: Pick<Endpoint, 'notReady'> = {}): Endpoint => {
    return { address: `10.0.0.${last}`, port: 4222, ...state };
  };
  const [ready, down, starting] = [endpoint(1), endpoint(2), endpoint(3, { notReady: true })];
  const SILENT = '10.0.0.3:4222';

  async function answersOf(
    endpoints: readonly Endpoint[],
    answering: Record<string, ServerReport['outcome']>,
    silentSince: ReadonlyMap<string, number> = new Map(),
  ): Promise<Answers & { readonly asked: readonly string[] }> {
    const asked: string[] = [];
    const ask = async (at: Endpoint): Promise<ServerReport> => {
      const server = serverAt(at);
      asked.push(server);
      return { server, outcome: answering[server] ?? 'Unreachable', message: '' };
    };
    return { ...(await askEndpoints('nats:4222', endpoints, ask, { silentSince, now: NOW })), asked };
  }
  const outcomesOf = ({ servers }: Answers): string[] => servers.map(({ server, outcome }) => `${server} ${outcome}`);

  it('count also where they are not ready and answer: nobody has told such a process that it has ended', async () => {
    for (const outcome of ['Live', 'ConfigNotLive', 'NotTrusted'] as const) {
      const found = await answersOf([ready, starting], { '10.0.0.1:4222': 'Live', [SILENT]: outcome });
      assert.deepEqual([outcomesOf(found), found.silent], [['10.0.0.1:4222 Live', `${SILENT} ${outcome}`], []]);
      const notReady = found.servers.map((report) => report.notReady ?? false);
      assert.deepEqual(notReady, [false, true], 'what is planned must not wait for such a server');
    }
  });

  it('are set apart where they are not ready and do not answer, unlike those that should', async () => {
    const found = await answersOf([ready, down, starting], { '10.0.0.1:4222': 'Live' });
    assert.deepEqual(outcomesOf(found), ['10.0.0.1:4222 Live', '10.0.0.2:4222 Unreachable']);
    assert.deepEqual(found.silent, [{ server: SILENT, askedAt: NOW }]);
  });

  it('are still known as silent while they are not asked again', async () => {
    const silentSince = new Map([[SILENT, NOW - 1_000]]);
    const found = await answersOf([ready, starting], { '10.0.0.1:4222': 'Live', [SILENT]: 'Live' }, silentSince);
    assert.deepEqual(found.asked, ['10.0.0.1:4222']);
    assert.deepEqual(found.silent, [{ server: SILENT, askedAt: NOW - 1_000 }]);
  });

  it('are one that is down where none is ready and none answers', async () => {
    const found = await answersOf([starting], {});
    assert.deepEqual(outcomesOf(found), ['nats:4222 Unreachable']);
    assert.match(found.servers[0]?.message ?? '', /none of the pods behind nats:4222 is ready.* at 10\.0\.0\.3:4222/);
  });
});
