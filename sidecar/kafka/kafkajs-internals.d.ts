/** See docs/adr/0003-kafkajs-internals.md. */
declare module 'kafkajs/src/consumer/batch.js' {
  export default class Batch {
    constructor(topic: string, fetchedOffset: string, partition: object);
    readonly messages: readonly object[];
  }
}
