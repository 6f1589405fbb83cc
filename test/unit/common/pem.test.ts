import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { InvalidInputError } from '../../../common/errors.ts';
import { canonicalPem, certificatesOf, isAnchor, pemBlocks, requireCertificates } from '../../../common/pem.ts';
import {
  createCertificateAuthority,
  createSelfSigned,
  createVersion1Authority,
} from '../../kit/servers/certificates.ts';

const WHERE = 'CONNECT_CA_FILE';
const BEGIN = '-----BEGIN CERTIFICATE-----\n';

describe('a PEM text', () => {
  let ca: string;
  let other: string;
  let server: { cert: string; key: string };

  before(async () => {
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    other = (await createCertificateAuthority('hospital-b')).ca;
    server = await authority.issue();
  });

  function refusal(text: string): string {
    try {
      requireCertificates(text, WHERE);
    } catch (error) {
      assert.ok(error instanceof InvalidInputError, String(error));
      return error.message;
    }
    return assert.fail('it was taken');
  }

  it('is read into its blocks, in their order and with their labels, whatever stands around them', () => {
    const blocks = pemBlocks(`subject=CN = hospital-a\n${ca}\n# the server\n${server.cert}${server.key}the end`);
    assert.deepEqual(
      blocks.map(({ label }) => label),
      ['CERTIFICATE', 'CERTIFICATE', 'PRIVATE KEY'],
    );
    assert.deepEqual(pemBlocks('hospital-a'), []);
    assert.deepEqual(pemBlocks(''), []);
  });

  it('is written the same however it was pasted: line ends of Windows, blanks at line ends, comments', () => {
    const pasted = [
      ca.replaceAll('\n', '\r\n'),
      ca.replaceAll('\n', ' \n'),
      `hospital-a's CA\n${ca}\n\n`,
      ca.trimEnd(),
      rewrapped(ca, 76),
    ];
    for (const text of pasted) assert.equal(requireCertificates(text, WHERE), ca);
    assert.equal(requireCertificates(`${other}\r\n${ca}`, WHERE), other + ca);
  });

  it('in canonical form has lines of 64 characters and a line end at its end, and stays as it is', () => {
    const pem = canonicalPem(new X509Certificate(rewrapped(ca, 20)));
    assert.equal(pem, ca);
    assert.match(pem, /^-----BEGIN CERTIFICATE-----\n(?:.{64}\n)*.{1,64}\n-----END CERTIFICATE-----\n$/);
  });

  it('with a private key is refused by name, and no byte of the key is shown', () => {
    for (const key of [server.key, server.key.replaceAll('PRIVATE KEY', 'ENCRYPTED PRIVATE KEY'), cut(server.key)]) {
      const message = refusal(ca + key);
      assert.match(message, /^CONNECT_CA_FILE: holds a private key/);
      for (const line of server.key.split('\n').slice(1, -2)) assert.ok(!message.includes(line));
    }
  });

  it('without a certificate is refused, since Node would trust every public CA', () => {
    for (const text of ['', ' \n', 'hospital-a', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n']) {
      assert.match(refusal(text), /^CONNECT_CA_FILE: holds no CERTIFICATE block/);
    }
  });

  it('with a block that is not a certificate is refused, since Node would pass over it, and nothing of it is shown', () => {
    const garbage = `${BEGIN}aHVudGVyMg==\n-----END CERTIFICATE-----\n`;
    assert.equal(refusal(ca + garbage), 'CONNECT_CA_FILE: block 2 is not a certificate');
    assert.equal(refusal(garbage + ca), 'CONNECT_CA_FILE: block 1 is not a certificate');
  });

  it('with a block that has no end is refused, whatever comes after it', () => {
    assert.equal(refusal(cut(ca)), 'CONNECT_CA_FILE: block 1 is not a certificate');
    assert.equal(refusal(cut(ca) + other), 'CONNECT_CA_FILE: block 1 is not a certificate');
    assert.equal(refusal(other + BEGIN), 'CONNECT_CA_FILE: block 2 is not a certificate');
  });

  it('that is full of beginnings is read in a time that grows no faster than the text', () => {
    const time = (count: number): number => {
      const text = BEGIN.repeat(count);
      const started = performance.now();
      assert.equal(pemBlocks(text).length, count);
      return performance.now() - started;
    };
    time(1_000);
    // 4 MB. Looking for the end of each block in all the rest would take minutes.
    assert.ok(time(150_000) < 5_000);
  });

  it('never makes the reader throw anything but that the input is invalid', () => {
    const parts = fc.constantFrom(BEGIN, '-----END CERTIFICATE-----\n', '-----BEGIN', 'AAAA', '\r\n', ' ', '\0', '=');
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 20 }), (text) => {
        try {
          requireCertificates(text.join(''), WHERE);
        } catch (error) {
          assert.ok(error instanceof InvalidInputError, String(error));
        }
      }),
    );
  });

  describe('that is given as the CA of a server', () => {
    it("counts with a CA's certificate, also an intermediate one's or one of X.509 version 1", async () => {
      const intermediate = await (await createCertificateAuthority('root')).issueAuthority('issuing CA');
      const old = await createVersion1Authority('old CA');
      for (const pem of [ca, intermediate.ca, old.ca])
        assert.deepEqual(certificatesOf(pem, WHERE).map(isAnchor), [true]);
      assert.equal(new X509Certificate(old.ca).ca, false);
    });

    it("counts with a server's own certificate only where that is self-signed", async () => {
      const selfSigned = await createSelfSigned('nats');
      assert.deepEqual(certificatesOf(selfSigned.cert + server.cert, WHERE).map(isAnchor), [true, false]);
      assert.equal(new X509Certificate(selfSigned.cert).ca, false);
    });
  });
});

/** The first half of a block. */
function cut(pem: string): string {
  return `${pem.slice(0, pem.length / 2)}\n`;
}

function rewrapped(pem: string, width: number): string {
  const [begin, ...lines] = pem.trimEnd().split('\n');
  const base64 = lines.slice(0, -1).join('');
  return [begin, ...(base64.match(new RegExp(`.{1,${width}}`, 'g')) ?? []), lines.at(-1), ''].join('\n');
}
