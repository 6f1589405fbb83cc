import assert from 'node:assert/strict';
import fc from 'fast-check';
import { InvalidInputError } from '../../../common/errors.ts';
import {
  hostAndPort,
  LOCAL_SERVER,
  PEER_SERVER,
  parseServerUrl,
  requireServerUrl,
  type ServerAddress,
} from '../../../common/server-url.ts';

/** What a URL is read as, and what its address is written as. */
const READ: readonly [url: string, address: ServerAddress, written: string][] = [
  ['tls://nats.example.org', { secure: true, host: 'nats.example.org', port: 4222 }, 'nats.example.org:4222'],
  ['tls://nats.example.org:4443', { secure: true, host: 'nats.example.org', port: 4443 }, 'nats.example.org:4443'],
  ['tls://nats.example.org/', { secure: true, host: 'nats.example.org', port: 4222 }, 'nats.example.org:4222'],
  ['tls://nats_server:4222', { secure: true, host: 'nats_server', port: 4222 }, 'nats_server:4222'],
  ['nats://192.0.2.7:4222', { secure: false, host: '192.0.2.7', port: 4222 }, '192.0.2.7:4222'],
  ['nats://[fd00::1]:4223', { secure: false, host: 'fd00::1', port: 4223 }, '[fd00::1]:4223'],
  ['tls://[fd00::1]', { secure: true, host: 'fd00::1', port: 4222 }, '[fd00::1]:4222'],
];

/** URLs that are refused; SECRET stands for what a person must never find in a log. */
const REFUSED: readonly string[] = [
  '',
  'SECRET',
  'SECRET.example.org:4222',
  'https://SECRET.example.org',
  'ws://SECRET.example.org:4222',
  'tls://',
  'tls://SECRET@nats.example.org:4222',
  'tls://user:SECRET@nats.example.org:4222',
  'tls://nats.example.org/SECRET',
  'tls://SECRET.example.org:99999',
  'tls://SECRET example.org:4222',
  'tls://[SECRET]:4222',
];

describe('the URL of a NATS server', () => {
  for (const [url, address, written] of READ) {
    it(`${url} is read as ${written}, ${address.secure ? 'with' : 'without'} TLS`, () => {
      assert.deepEqual(parseServerUrl(url), address);
      assert.deepEqual(requireServerUrl(url), address);
      assert.equal(hostAndPort(address), written);
    });
  }

  for (const url of REFUSED) {
    it(`${JSON.stringify(url)} is refused without being quoted`, () => {
      assert.equal(parseServerUrl(url), undefined);
      assert.throws(
        () => requireServerUrl(url),
        (error: unknown) => {
          assert.ok(error instanceof InvalidInputError);
          assert.match(error.message, /tls:\/\/host:port/);
          assert.doesNotMatch(`${error.message} ${String(error.stack)} ${JSON.stringify(error)}`, /SECRET/i);
          return true;
        },
      );
    });
  }

  it('never throws for any text, and what it reads is read the same again when it is written', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((rest) => `tls://${rest}`),
        ),
        (text) => {
          const address = parseServerUrl(text);
          if (!address) return;
          const again = `${address.secure ? 'tls' : 'nats'}://${hostAndPort(address)}`;
          assert.deepEqual(parseServerUrl(again), address);
        },
      ),
    );
  });

  it('may be without TLS for the local NATS, and never for a peer', () => {
    for (const url of ['tls://nats.example.org:4222', 'tls://[fd00::1]:4222', 'tls://nats.example.org']) {
      assert.match(url, PEER_SERVER);
      assert.match(url, LOCAL_SERVER);
    }
    assert.doesNotMatch('nats://nats.example.org:4222', PEER_SERVER);
    assert.match('nats://nats.example.org:4222', LOCAL_SERVER);
    for (const url of ['tls://user:password@nats.example.org', 'tls://nats.example.org/path', 'https://example.org']) {
      assert.doesNotMatch(url, PEER_SERVER);
      assert.doesNotMatch(url, LOCAL_SERVER);
    }
  });
});
