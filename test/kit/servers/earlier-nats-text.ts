import { syncName } from '../../../common/contract/names.ts';
import type { NatsIncludes } from '../../../operator/plan/nats/permissions.ts';

/**
 * What an operator wrote for nats-server before ADR 36: exports for each peer, and each subject as often as it is needed. It is
 * written here by hand, since only a server or a cluster that was there before has it.
 *
 * @param own public key of the node's operator
 * @param peers their public keys by their ids, in alphabetical order
 */
export function earlierNatsText(own: string, peers: Readonly<Record<string, string>>): NatsIncludes {
  const all = Object.entries(peers).map(([lfhId, key]) => ({ name: syncName(lfhId), key }));
  const users = `  users: [\n    { nkey: ${own} } # this node's own\n  ]\n`;
  return {
    mainAccount: `${users}  exports: [\n${all.map(({ name }) => exportsTo(name)).join('')}  ]\n`,
    peerAccounts: all.map(({ name, key }) => accountOf(name, key)).join(''),
  };
}

function exportsTo(name: string): string {
  const exported = servicesOf(name).map((service, index) => {
    const answers = index === 0 ? 'response_type: stream, ' : '';
    return `    { service: "${service}", ${answers}response_threshold: "6s", accounts: [${name}] }\n`;
  });
  return exported.join('');
}

function accountOf(name: string, key: string): string {
  const publish = servicesOf(name).map((service) => `"${service}"`);
  const permissions = `{ publish: { allow: [${publish.join(', ')}] }, subscribe: { allow: ["_INBOX.${name}.>"] } }`;
  const imports = publish.map((service) => `    { service: { account: "LFH", subject: ${service} } }\n`);
  return (
    `${name} {\n  limits: { max_connections: 32, max_subscriptions: 64, max_payload: 4096 }\n  users: [\n` +
    `    { nkey: ${key}, permissions: ${permissions}, allowed_connection_types: ["STANDARD"] }\n  ]\n` +
    `  imports: [\n${imports.join('')}  ]\n}\n`
  );
}

function servicesOf(name: string): string[] {
  return [
    `$JS.API.CONSUMER.MSG.NEXT.EVENTS.${name}`,
    `$JS.API.CONSUMER.RESET.EVENTS.${name}`,
    `$JS.ACK.EVENTS.${name}.>`,
    `$JS.ACK.*.*.EVENTS.${name}.*.*.*.*.>`,
  ];
}
