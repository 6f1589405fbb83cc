import { errorChain } from './tls.ts';

/** nats-server says the one of an account, on all servers of a cluster together, and the other of itself. */
const ACCOUNT_FULL = 'maximum account active connections exceeded';
const SERVER_FULL = 'maximum connections exceeded';

/**
 * Whether a NATS server refuses a connection because there are as many as there may be. The client library has no code for this,
 * and gives it the one for what is no NATS protocol.
 */
export function isOutOfConnections(error: unknown): boolean {
  return isAccountFull(error) || says(error, SERVER_FULL);
}

/** Whether it refuses it because the user's *account* has as many as it may have. */
export function isAccountFull(error: unknown): boolean {
  return says(error, ACCOUNT_FULL);
}

function says(error: unknown, words: string): boolean {
  return errorChain(error).some(({ message }) => message.includes(words));
}
