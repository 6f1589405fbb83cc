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

function read(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, name));
}
