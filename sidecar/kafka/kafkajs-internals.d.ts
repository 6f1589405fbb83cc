/** See docs/adr/0003-kafkajs-internals.md. */
declare module 'kafkajs/src/consumer/batch.js' {
  export default class Batch {
    constructor(topic: string, fetchedOffset: string, partition: object);
    readonly messages: readonly object[];
  }
}

declare module 'kafkajs/src/protocol/requests/produce/v7/response.js' {
  export function decode(payload: Buffer): Promise<
    import('./produce-request.ts').ProduceAnswer & {
      /** In milliseconds. */
      readonly clientSideThrottleTime: number;
    }
  >;
}

declare module 'kafkajs/src/protocol/error.js' {
  /** The error that kafkajs throws for a code of Kafka's protocol. */
  export function createErrorFromCode(code: number): Error;
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    writeInt8(value: number): this;
    writeInt32(value: number): this;
    writeUVarInt(value: number): this;
    writeUVarIntString(value: string): this;
  }
}

declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    constructor(payload: Buffer);
    readInt16(): number;
    readInt32(): number;
    readInt64(): { toString(): string };
    readUVarIntString(): string | null;
    readUVarIntArray<Item>(read: (decoder: Decoder) => Item): Item[] | null;
    readTaggedFields(): unknown;
  }
}
