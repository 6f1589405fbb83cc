/**
 * How much of our nats-server one peer may use. nats-server keeps the first three, for all servers of a cluster together where
 * they count connections; it has no bound on messages, so the last one is only watched. With isolation `Users`, where peers have
 * no account of their own, nats-server can keep none of them.
 *
 * None of them may come near what a peer needs that does nothing but replay, or its replay stops.
 */
export const PEER_LIMITS = {
  /**
   * One sidecar replays a peer, on one connection. While it takes over from another, or tries a new key, there are up to three,
   * and the operator's probe is one more. A connection that was cut off without a word counts until nats-server's pings fail,
   * after some 6 minutes, in which a sidecar that is cut off again and again makes a dozen.
   */
  maxConnections: 32,
  /** For each connection. A client that subscribes for each of its pulls, as a sidecar does, has no more than the 16 that may wait. */
  maxSubscriptions: 64,
  /** In bytes, of what a peer sends: a pull has some 100, an acknowledgement none. What it receives is not limited by this. */
  maxPayload: 4_096,
  /**
   * Messages that a peer may send in each second, on average between two probes: pulls, acknowledgements and resets. A sidecar sends
   * two for each batch, so tens in a second where it is fast.
   */
  messagesPerSecond: 2_000,
} as const;
