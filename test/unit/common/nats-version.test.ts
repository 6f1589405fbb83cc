import assert from 'node:assert/strict';
import { isTooOld, OLDEST_PEER_NATS } from '../../../common/nats-version.ts';

describe('the version of a nats-server', () => {
  it('is too old before 2.10, in whatever form it is written', () => {
    for (const version of ['2.6.6', '2.9.25', 'v2.9.0', '1.4.1', '2.9.0-beta.1']) assert.equal(isTooOld(version), true);
  });

  it('will do from 2.10 on', () => {
    for (const version of ['2.10.0', '2.10.27', '2.12.15', 'v2.15.2', '3.0.0', '2.100.0'])
      assert.equal(isTooOld(version), false);
  });

  it("is another one for a peer's server, on which connect runs as it is shipped", () => {
    assert.equal(isTooOld('2.6.6', OLDEST_PEER_NATS), true);
    for (const version of ['2.7.4', '2.9.25']) assert.equal(isTooOld(version, OLDEST_PEER_NATS), false);
  });

  it('is not held against a server that names none, or none that can be read', () => {
    for (const version of [undefined, '', 'dev', 'two', '2']) assert.equal(isTooOld(version), false);
  });
});
