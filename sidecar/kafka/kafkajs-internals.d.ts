/** See docs/adr/0003-kafkajs-internals.md. */
declare module 'kafkajs/src/consumer/batch.js' {
  export default class Batch {
    constructor(topic: string, fetchedOffset: string, partition: object);
    readonly messages: readonly object[];
  }
}

declare module 'kafkajs/src/producer/eosManager/index.js' {
  /** A producer's id and transaction, without anything that produces. */
  interface EosManager {
    initProducerId(): Promise<void>;
    getProducerId(): string;
    getProducerEpoch(): number;
    beginTransaction(): void;
    addPartitionsToTransaction(topics: { topic: string; partitions: { partition: number }[] }[]): Promise<void>;
    abort(): Promise<void>;
  }
  export default function createEosManager(options: {
    logger: object;
    cluster: object;
    transactional: true;
    transactionalId: string;
    transactionTimeout: number;
  }): EosManager;
}
