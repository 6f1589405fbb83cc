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
