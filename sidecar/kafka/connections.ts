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

/** As kafkajs's own. */
const KEEP_ALIVE_MS = 60_000;

/** Makes clients, and can end all those that have not been ended. */
export class Clients {
  readonly #connection: KafkaConnection;
  readonly #open = new Set<Client>();
  #opened = 0;
  #ended = false;

  constructor(connection: KafkaConnection) {
    this.#connection = connection;
  }

  /** Makes a client; nothing connects yet. */
  open(retry: RetryOptions): Client {
    // kafkajs begins with the first broker, and stays there as long as that takes connections and answers nothing.
    const { brokers } = this.#connection;
    const first = this.#opened++ % brokers.length;
    const connection = { ...this.#connection, brokers: [...brokers.slice(first), ...brokers.slice(0, first)] };
    const client = openClient(connection, retry, () => this.#open.delete(client));
    this.#open.add(client);
    if (this.#ended) client.end();
    return client;
  }

  /** Ends all clients, and from the beginning those that are made later. */
  end(): void {
    this.#ended = true;
    for (const client of this.#open) client.end();
  }
}

function openClient(connection: KafkaConnection, retry: RetryOptions, onEnd: () => void): Client {
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
    return socket;
  };
  return {
    kafka: createClient(connection, retry, socketFactory),
    guard: (work) => waits.until(work),
    end: () => {
      over = true;
      waits.end(givenUp);
      // With an error, since kafkajs rejects its pending requests only for one.
      for (const socket of sockets) socket.destroy(givenUp());
      onEnd();
    },
  };
}

function givenUp(): Error {
  return new TransientError('KafkaUnavailable', 'the connection to Kafka was ended by us');
}
