/** One message as the peer's durable delivered it. */
export interface Delivered {
  readonly payload: Uint8Array;
  readonly streamSequence: number;
  /** Counts deliveries of this durable; starts at 1 after a reset. */
  readonly consumerSequence: number;
  /** 1 the first time this message is delivered. */
  readonly deliveryCount: number;
  /** When the origin's stream stored it, in milliseconds since 1970. */
  readonly time: number;
  /** How many messages the durable has not delivered yet. */
  readonly pending: number;
  /** Tells the server that this message and all before it are done (`AckPolicy.All`). Sent, not confirmed. */
  ack(): void;
}

/** What a peer's durable answers to a reset. */
export interface ResetAnswer {
  /** The durable's first undelivered stream sequence after the reset, minus one. */
  readonly floor: number;
  /** The stream's identity, different for a recreated stream; null from servers before 2.15. */
  readonly identity: string | null;
  /** How many messages of the durable's subject come after {@link floor} (`num_pending`). */
  readonly pending: number;
}
