/** What a status message, which is a message without an ack subject, says about a pull. */
export type PullStatus =
  /** The server is there. */
  | { readonly kind: 'alive' }
  /** The pull is over, and that is all. */
  | { readonly kind: 'over' }
  /** The pull is over because the next message does not fit into what is left of its bytes. */
  | { readonly kind: 'too-large' }
  /** Nothing listens for pulls: the durable does not exist, or the server has just started or is about to stop. */
  | { readonly kind: 'unanswered' }
  /** The durable does not exist any more, or it is not one that can be pulled from. */
  | { readonly kind: 'missing'; readonly what: string }
  /** The durable allows less than was asked for. */
  | { readonly kind: 'exceeded'; readonly what: string }
  /** The server has ended the pull for another reason. */
  | { readonly kind: 'gone'; readonly what: string };

/**
 * Reads a status message of nats-server: the code and the words of its header line (`consumer.go`, `sendErr` and others).
 *
 * Only 409 needs the words, since the server uses it for everything that ends a pull early.
 */
export function pullStatus(code: number, description: string): PullStatus {
  const words = description.toLowerCase();
  switch (code) {
    case 100:
      return { kind: 'alive' };
    case 404:
    case 408:
      return { kind: 'over' };
    case 503:
      return { kind: 'unanswered' };
    case 409:
      return conflict(words);
    default:
      return { kind: 'gone', what: `answered a pull with ${code}` };
  }
}

function conflict(words: string): PullStatus {
  if (words.includes('message size exceeds maxbytes')) return { kind: 'too-large' };
  if (words.includes('batch completed')) return { kind: 'over' };
  if (words.includes('consumer deleted')) return { kind: 'missing', what: 'has deleted our durable consumer' };
  if (words.includes('push based')) return { kind: 'missing', what: 'has a push consumer where our durable should be' };
  if (words.includes('maxrequest')) return { kind: 'exceeded', what: 'allows our durable only smaller pulls' };
  if (words.includes('leadership change')) return { kind: 'gone', what: 'has handed our durable to another server' };
  if (words.includes('server shutdown')) return { kind: 'gone', what: 'is shutting down' };
  return { kind: 'gone', what: 'ended a pull for a reason of its own' };
}
