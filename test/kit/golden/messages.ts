import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A message that a real connect announced. */
export interface GoldenMessage {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Every message of a real connect's intake, in the order of its stream. */
export function realIntake(): GoldenMessage[] {
  const entries = JSON.parse(read('real-intake.json').toString('utf8')) as {
    readonly stream_seq: number;
    readonly body: { readonly base64: string };
  }[];
  return entries.map(({ stream_seq, body }) => {
    const bytes = Buffer.from(body.base64, 'base64');
    const { consuming_endpoint_url, data_format } = JSON.parse(bytes.toString('utf8')) as Record<string, string>;
    return { name: `${data_format} taken in at ${consuming_endpoint_url} (${stream_seq})`, bytes };
  });
}

/** Messages of other versions of connect; see README.md. */
export function otherVersions(): GoldenMessage[] {
  const files = [
    'x12-5010-transaction-set.json',
    'x12-270-older-node.json',
    'fhir-2021-09-to-11.json',
    'fhir-before-2021-06.json',
  ];
  return files.map((name) => ({ name, bytes: read(name) }));
}

/** What connect sends to a FHIR server. */
export interface GoldenRequest {
  readonly request_line: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** The messages that a connect replayed while it had a FHIR server, each with the request that it sent there. */
export function transmitted(): { readonly message: Buffer; readonly request: GoldenRequest }[] {
  const requests = JSON.parse(read('transmit-B-replay-requests.json').toString('utf8')) as GoldenRequest[];
  const messages = valuesIn('kafka-B-FHIR-R4_PATIENT-with-fhir-servers.json');
  return requests.map((request, nth) => ({ message: messages[nth] as Buffer, request }));
}

/** Records of connect's own topic RETRANSMIT. */
export function retransmitRecords(): Buffer[] {
  return valuesIn('kafka-A-RETRANSMIT.json');
}

/** The data record of a FHIR message that a connect with one FHIR server took in. */
export function storedAtIntake(): Buffer {
  return valuesIn('kafka-A-FHIR-R4-with-fhir-servers.json')[0] as Buffer;
}

function valuesIn(name: string): Buffer[] {
  const records = JSON.parse(read(name).toString('utf8')) as { readonly value: { readonly base64: string } }[];
  return records.map(({ value }) => Buffer.from(value.base64, 'base64'));
}

function read(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, name));
}
