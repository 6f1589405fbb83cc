/** One message as the peer's durable delivered it. */
export interface Delivered {
  /** Of a message far larger than may be, its beginning. */
  readonly payload: Uint8Array;
  /** The size of the whole payload as it was sent, in bytes. */
  readonly size: number;
  readonly streamSequence: number;
  /** Counts deliveries of this durable; starts at 1 after a reset. */
  readonly consumerSequence: number;
  /** 1 the first time this message is delivered. */
  readonly deliveryCount: number;
  /** When the origin's stream stored it, in milliseconds since 1970. */
  readonly time: number;
  /** How many messages the durable has not delivered yet. */
  readonly pending: number;
  /**
   * Whether the server could not deliver what it handed out after this message, so that later messages are missing. It ends the
   * answers to a pull with an empty message.
   */
  readonly cutOff: boolean;
  /** Acknowledges this message and all before it (`AckPolicy.All`). It is sent, and not confirmed by the server. */
  ack(): void;
}

/** What the server answers to the reset of a durable. */
export interface ResetAnswer {
  /** The durable's first undelivered stream sequence after the reset, minus one. */
  readonly floor: number;
  /** The stream's identity, which is another one for a recreated stream; null from servers before 2.15. */
  readonly identity: string | null;
  /** How many messages of the durable's subject come after {@link floor} (`num_pending`). */
  readonly pending: number;
}
