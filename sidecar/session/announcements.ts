import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Announcement, AnnouncePort } from '../ports.ts';

/** The bytes that may wait for a slow local NATS. Announcements beyond that are dropped, since memory is bounded. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

/**
 * Announces replayed messages on the local `EVENTS.app_sync`, after the replay and without ever delaying it.
 *
 * The messages are kept in Kafka; an announcement only lets applications know that there are new ones. While the local NATS
 * is down, announcements are lost and counted; messages are not lost, and the replay does not wait.
 */
export class Announcements {
  readonly #port: AnnouncePort;
  readonly #log: Logger;
  readonly #onFailure: (count: number) => void;
  #waiting: Announcement[] = [];
  #waitingBytes = 0;
  #running: Promise<void> = Promise.resolve();
  #busy = false;

  constructor(port: AnnouncePort, log: Logger, onFailure: (count: number) => void) {
    this.#port = port;
    this.#log = log;
    this.#onFailure = onFailure;
  }

  add(announcements: readonly Announcement[]): void {
    let dropped = 0;
    for (const announcement of announcements) {
      const size = announcement.payload.byteLength;
      if (this.#waitingBytes + size > MAX_WAITING_BYTES) {
        dropped += 1;
      } else {
        this.#waiting.push(announcement);
        this.#waitingBytes += size;
      }
    }
    if (dropped > 0) this.#onFailure(dropped);
    if (!this.#busy && this.#waiting.length > 0) this.#running = this.#run();
  }

  /** Resolves when no announcement waits any more. */
  async drained(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      try {
        await this.#port.announce(batch);
      } catch (error) {
        this.#onFailure(batch.length);
        this.#log.warn(
          { count: batch.length, problem: messageOf(error) },
          'could not announce replayed messages on the local EVENTS.app_sync; they are in Kafka all the same',
        );
      }
    }
    this.#busy = false;
  }
}
