import { pemBlocks, readCertificate } from '../../../common/pem.ts';
import { parseServerUrl } from '../../../common/server-url.ts';
import type { PodSpec, Workload } from '../../../operator/api/objects.ts';
import { caProblem } from '../../../operator/plan/node/problem.ts';
import { parseCertificate } from '../../../operator/plan/observed/certificate.ts';
import type { NodeObject, Texts } from '../../../operator/plan/observed/observed.ts';
import { caRemarks, type ResolvedCa, resolveCa } from '../../../operator/plan/trust/ca-source.ts';
import { MAX_OWN_CA } from '../../../operator/plan/trust/certificates.ts';
import { expiryRemarks } from '../../../operator/plan/trust/expiry.ts';
import type { CheckId } from './checks.ts';
import { type Finding, failed, fine, unknown, warning } from './finding.ts';
import { type Contents, type Looked, referencesTo } from './looked.ts';

/** What is asked about the certificate of NATS, in its Secret, and about the CAs that the spec names. */

export interface TrustSeen {
  readonly node: NodeObject;
  /** What runs NATS: its volumes tell which Secret has its certificate. */
  readonly workload: Looked<Workload>;
  readonly contents: Contents;
  /** The addresses at which peers reach NATS, as far as they are known. */
  readonly advertised: readonly string[];
  /** In milliseconds since 1970. */
  readonly now: number;
}

const OF_LEAF: readonly CheckId[] = ['nats-secret', 'nats-certificate-names', 'nats-certificate-expiry'];

export function trustFindings(seen: TrustSeen): Finding[] {
  const { leaf, findings } = leafIn(seen);
  return [
    ...findings,
    ca(seen, 'nats-ca', seen.node.spec.nats.ca, leaf),
    ...(seen.node.spec.kafka.ca ? [ca(seen, 'kafka-ca', seen.node.spec.kafka.ca, undefined)] : []),
  ];
}

type X509Certificate = NonNullable<ReturnType<typeof readCertificate>>;

/** The certificate of NATS with those that it is sent with, its own first. */
type Chain = readonly X509Certificate[];

function leafIn(seen: TrustSeen): { readonly leaf: Chain | undefined; readonly findings: Finding[] } {
  const name = secretOf(seen);
  const all = (why: string): Finding[] => OF_LEAF.map((check) => unknown(check, why));
  if (name === undefined)
    return { leaf: undefined, findings: all('neither the workload of NATS nor spec.nats.ca names a Secret') };
  const secret = seen.contents.secret(name);
  if (secret.why !== undefined)
    return { leaf: undefined, findings: all(`cannot look into the Secret ${name}: ${secret.why}`) };
  const own = secretFinding(seen.node, name, secret.value);
  const pem = secret.value?.['tls.crt'];
  const chain = pemBlocks(pem ?? '').flatMap(({ text }) => readCertificate(text) ?? []);
  const where = `Secret ${name}, entry tls.crt`;
  if (chain[0] === undefined) {
    const unread = pem === undefined ? own : failed('nats-secret', `${where}: holds no certificate`);
    const others = OF_LEAF.slice(1).map((check) => unknown(check, 'not looked at: nats-secret comes first'));
    return { leaf: undefined, findings: [unread, ...others] };
  }
  return { leaf: chain, findings: [own, names(seen, where, chain[0]), expiry(where, chain[0], seen.now)] };
}

/** The Secret with the certificate: of those that the pods of NATS mount, or else the one that `spec.nats.ca` names. */
function secretOf({ node, workload, contents }: TrustSeen): string | undefined {
  const ofCa = node.spec.nats.ca?.secretRef?.name;
  const mounted = secretsOf(workload.why === undefined ? workload.value?.spec.template.spec : undefined);
  const hasLeaf = (name: string): boolean => {
    const secret = contents.secret(name);
    return secret.why === undefined && secret.value?.['tls.crt'] !== undefined;
  };
  return mounted.find((name) => name === ofCa) ?? mounted.find(hasLeaf) ?? ofCa ?? mounted[0];
}

/** The Secrets that the pods of a workload mount. */
export function secretsOf(pod: PodSpec | undefined): string[] {
  return (pod?.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []);
}

function secretFinding(node: NodeObject, name: string, texts: Texts | undefined): Finding {
  const check = 'nats-secret';
  if (!texts) return failed(check, `there is no Secret ${name} in this namespace`);
  const { ca: source } = node.spec.nats;
  const caKey = source?.secretRef?.name === name ? [source.secretRef.key ?? 'ca.crt'] : [];
  const missing = ['tls.crt', 'tls.key', ...caKey].filter((key) => (texts[key] ?? '') === '');
  if (missing.length > 0) return failed(check, `the Secret ${name} has no ${missing.join(' and no ')}`);
  return fine(check, `the Secret ${name} has its keys`);
}

function names({ node, advertised }: TrustSeen, where: string, leaf: X509Certificate): Finding {
  const check = 'nats-certificate-names';
  const { host } = node.spec.nats.advertiseFrom ?? {};
  const urls = [...node.spec.nats.servers, ...advertised];
  const hosts = [...urls.flatMap((url) => parseServerUrl(url)?.host ?? []), ...(host === undefined ? [] : [host])];
  const missing = [...new Set(hosts)].filter((host) => !isFor(leaf, host));
  if (missing.length === 0) return fine(check, `${where} is for ${[...new Set(hosts)].join(', ')}`);
  return failed(
    check,
    `${where} is not for ${missing.join(', ')}; it is for ${leaf.subjectAltName ?? 'no name at all'}`,
  );
}

function isFor(leaf: X509Certificate, host: string): boolean {
  const isAddress = /^[\d.]+$|:/.test(host);
  return (isAddress ? leaf.checkIP(host) : leaf.checkHost(host, { subject: 'never' })) !== undefined;
}

function expiry(where: string, leaf: X509Certificate, now: number): Finding {
  const check = 'nats-certificate-expiry';
  const [from, to] = [leaf.validFromDate, leaf.validToDate];
  if (to.getTime() <= now) return failed(check, `${where} has expired on ${to.toISOString()}`);
  if (from.getTime() > now)
    return failed(check, `${where} is not valid before ${from.toISOString()}; are the clocks right?`);
  const [remark] = expiryRemarks(where, to.getTime(), now);
  return remark === undefined ? fine(check, `${where} is valid until ${to.toISOString()}`) : warning(check, remark);
}

function ca(
  { node, contents, now }: TrustSeen,
  check: 'nats-ca' | 'kafka-ca',
  source: NodeObject['spec']['nats']['ca'],
  chain: Chain | undefined,
): Finding {
  const path = check === 'nats-ca' ? 'spec.nats.ca' : 'spec.kafka.ca';
  const unread = new Set<string>();
  const references = referencesTo(contents, unread);
  const resolved = resolveCa(source, path, { references, certificates: parseCertificate }, now, MAX_OWN_CA);
  if (unread.size > 0) return unknown(check, `${path}: cannot look into ${[...unread].join(', ')}`);
  if (!resolved)
    return warning(check, `${path} is absent, so only the public CAs that Node knows count (${node.spec.lfhId})`);
  const problem = caProblem(resolved);
  if (problem) return failed(check, problem.message);
  if (chain && !isIssuedBy(chain, resolved))
    return failed(check, `${path}: none of its CAs has issued the certificate of NATS`);
  const remarks = caRemarks(resolved, path, now);
  return remarks.length > 0
    ? warning(check, remarks.join('; '))
    : fine(check, `${path}: ${resolved.authorities.length} CA(s), valid for 30 days or more`);
}

/** Whether a CA has issued a certificate, itself or by those that are sent with it. */
function isIssuedBy(chain: Chain, { authorities }: ResolvedCa): boolean {
  const anchors = authorities.flatMap(({ pem }) => readCertificate(pem) ?? []);
  const issued = (by: X509Certificate, of: X509Certificate): boolean => of.checkIssued(by) && of.verify(by.publicKey);
  const seen = new Set<X509Certificate>();
  for (let [current] = chain; current && !seen.has(current); ) {
    seen.add(current);
    const of = current;
    if (anchors.some((anchor) => anchor.fingerprint256 === of.fingerprint256 || issued(anchor, of))) return true;
    current = chain.find((each) => !seen.has(each) && issued(each, of));
  }
  return false;
}
