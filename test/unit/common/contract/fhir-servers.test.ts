import assert from 'node:assert/strict';
import {
  canonicalFhirUrl,
  connectFhirUrls,
  fhirServerList,
  RETRY_DEFAULTS,
  serversOfConnect,
} from '../../../../common/contract/fhir-servers.ts';
import { ShapeError } from '../../../../common/contract/shapes.ts';

const SECRET = 'change-password';

describe('the setting of FHIR servers', () => {
  it('has defaults for all but the URL', () => {
    const [server] = fhirServerList.decode('[{"url": "https://FHIR.example.org/r4/"}]');
    assert.deepEqual(server, {
      url: 'https://fhir.example.org/r4',
      appendResourceType: true,
      timeoutSeconds: 30,
      retry: RETRY_DEFAULTS,
    });
  });

  it('is encoded and decoded to the same', () => {
    const list = fhirServerList.decode(
      '[{"url":"http://h:80/x","tokenFile":"t","caFile":"c","appendResourceType":false,"retry":{"maxAttempts":3}}]',
    );
    assert.deepEqual(fhirServerList.decode(fhirServerList.encode(list)), list);
  });

  for (const [entry, problem] of [
    [{ url: `https://u:${SECRET}@host/fhir` }, /\[0\]\.url: expected https/],
    [{ url: `https://host/fhir?code=${SECRET}` }, /\[0\]\.url/],
    [{ url: 'ftp://host' }, /\[0\]\.url/],
    [{}, /\[0\]\.url/],
    [{ url: 'https://h', password: SECRET }, /\[0\].*1 unknown field/],
    [{ url: 'https://h', userFile: 'u' }, /\[0\].*together/],
    [{ url: 'https://h', userFile: 'u', passwordFile: 'p', tokenFile: 't' }, /\[0\].*only one/],
    [{ url: 'https://h', tokenFile: '../x' }, /\[0\]\.tokenFile/],
    [{ url: 'https://h', retry: { maxDelaySeconds: 0 } }, /\[0\]\.retry\.maxDelaySeconds/],
    [{ url: 'https://h', timeoutSeconds: 1e9 }, /\[0\]\.timeoutSeconds/],
  ] as const) {
    it(`refuses ${JSON.stringify(entry).replace(SECRET, '…')} without quoting it`, () => {
      assert.throws(
        () => fhirServerList.decode(JSON.stringify([entry])),
        (error: unknown) => {
          assert.ok(error instanceof ShapeError);
          assert.match(`${error.path}: ${error.message}`, problem);
          assert.ok(!error.message.includes(SECRET));
          return true;
        },
      );
    });
  }

  it('refuses one server twice', () => {
    assert.throws(
      () => fhirServerList.decode('[{"url":"https://h/"},{"url":"https://H"}]'),
      /the same as that of \[0\]/,
    );
  });
});

describe("connect's setting of FHIR servers", () => {
  it('has users and passwords in URLs, which stay out of what the server is called', () => {
    const urls = connectFhirUrls.decode('["http://us%40er:p%25ss@h:8080/fhir/", "https://h/fhir"]');
    const [first, second, ...others] = serversOfConnect(urls, false);
    assert.deepEqual(others, []);
    assert.equal(first?.url, 'http://h:8080/fhir');
    assert.equal(first?.authorization, `Basic ${Buffer.from('us@er:p%ss').toString('base64')}`);
    assert.equal(first?.appendResourceType, false);
    assert.equal(second?.url, 'https://h/fhir');
    assert.equal(second?.authorization, undefined);
  });

  it('takes a lone % in a password for itself', () => {
    const [server] = serversOfConnect(connectFhirUrls.decode('["https://u:100%@h"]'), true);
    assert.equal(server?.authorization, `Basic ${Buffer.from('u:100%').toString('base64')}`);
  });

  for (const text of [`["https://u:${SECRET}@h/?x=1"]`, `["https://u:${SECRET}@"]`, `["${SECRET}"]`, SECRET]) {
    it(`refuses ${text.replace(SECRET, '…')} without quoting it`, () => {
      assert.throws(
        () => connectFhirUrls.decode(text),
        (error: unknown) => error instanceof ShapeError && !error.message.includes(SECRET),
      );
    });
  }
});

describe('the URL of a FHIR server', () => {
  for (const [text, url] of [
    ['https://h', 'https://h'],
    ['https://H:443/A//', 'https://h/A'],
    ['http://[::1]:8080/fhir', 'http://[::1]:8080/fhir'],
    ['https://h/fhir?', undefined],
    ['https://h/fhir#x', undefined],
    ['https://h@i/fhir', undefined],
    ['https://h/ä', undefined],
    ['tls://h:1', undefined],
    [`https://h/${'x'.repeat(600)}`, undefined],
  ] as const) {
    it(`${text.slice(0, 30)} is known as ${url}`, () => assert.equal(canonicalFhirUrl(text), url));
  }
});
