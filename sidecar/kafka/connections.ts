import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory, Kafka, RetryOptions } from 'kafkajs';
import { TransientError } from '../../common/errors.ts';
import { Waits } from '../../common/waits.ts';
import { createClient, type KafkaConnection } from './client.ts';

/**
 * A kafkajs client that can be ended together with everything that it does.
 *
 * kafkajs has no way to give something up: a request that is abandoned is retried behind our back for minutes, and connects
 * again after `disconnect()`. That kept the process alive after it had said that it had ended.
 */
export interface Client {
  readonly kafka: Kafka;
  /** Waits for work of this client. @throws TransientError at once when the client is ended meanwhile */
  guard<Value>(work: Promise<Value>): Promise<Value>;
  /** Destroys the connections at once, and makes no more of them. What is still retried fails without a connection. */
  end(): void;
}

export type OpenClient = () => Client;

/** A broker answers the first request over a connection at once. One that did not is tried again after a while. */
const SILENT_MS = { from: 1_000, to: 60_000 };
/** As kafkajs's own. */
const KEEP_ALIVE_MS = 60_000;

/** Makes clients, and can end all those that have not been ended. */
export class Clients {
  readonly #connection: KafkaConnection;
  readonly #open = new Set<Client>();
  /** When a connection to a broker was made, for those from which nothing has come since, as of `performance.now()`. */
  readonly #unanswered = new Map<string, number>();
  #turn = 0;
  #ended = false;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
  }

  /** Makes a client; nothing connects yet. */
  open(retry: RetryOptions): Client {
    const client = openClient(this.#connection, retry, {
      nextBootstrap: () => this.#nextBootstrap(),
      connects: (broker) => this.#connects(broker),
      hasAnswered: (broker) => void this.#unanswered.delete(broker),
      isEnded: () => void this.#open.delete(client),
    });
    this.#open.add(client);
    if (this.#ended) client.end();
    return client;
  }

  /**
   * The bootstrap server for the next connection: each in its turn, since a broker that is cut off from the others goes on
   * answering. One that does not answer is left out while there is another: each try costs a time-out, and a take-over
   * connects several times.
   */
  #nextBootstrap(): string {
    const { brokers } = this.#connection;
    const first = this.#turn++ % brokers.length;
    const inTurn = [...brokers.slice(first), ...brokers.slice(0, first)];
    const next = inTurn.find((broker) => this.#unansweredMs(broker) < SILENT_MS.from) ?? inTurn[0];
    if (next === undefined) throw new Error('there is no bootstrap server of Kafka in the settings');
    return next;
  }

  #connects(broker: string): void {
    if (this.#unansweredMs(broker) === 0) this.#unanswered.set(broker, performance.now());
  }

  /** @returns for how long nothing has come from a broker; 0 where it has, or where it should be tried again */
  #unansweredMs(broker: string): number {
    const since = this.#unanswered.get(broker);
    if (since === undefined) return 0;
    const ms = performance.now() - since;
    return ms < SILENT_MS.to ? ms : 0;
  }

  /** Ends all clients, and from the beginning those that are made later. */
  end(): void {
    this.#ended = true;
    for (const client of this.#open) client.end();
  }
}

interface ClientOwner {
  /** Called for each connection that kafkajs makes to whichever broker is there. */
  nextBootstrap(): string;
  /** Called when a connection is begun. @param broker its address, as in the bootstrap servers */
  connects(broker: string): void;
  /** Called when the first bytes have come over a connection. */
  hasAnswered(broker: string): void;
  isEnded(): void;
}

function openClient(connection: KafkaConnection, retry: RetryOptions, owner: ClientOwner): Client {
  const sockets = new Set<Socket>();
  const waits = new Waits();
  let over = false;
  const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (over) throw givenUp();
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
      : connectTcp({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const broker = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
    owner.connects(broker);
    socket.once('data', () => owner.hasAnswered(broker));
    return socket;
  };
  return {
    kafka: createClient(connection, retry, { brokers: () => [owner.nextBootstrap()], socketFactory }),
    guard: (work) => waits.until(work),
    end: () => {
      over = true;
      waits.end(givenUp);
      // With an error, since kafkajs rejects its pending requests only for one.
      for (const socket of sockets) socket.destroy(givenUp());
      owner.isEnded();
    },
  };
}

function givenUp(): Error {
  return new TransientError('KafkaUnavailable', 'the connection to Kafka was ended by us');
}
