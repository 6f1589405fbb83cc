import { sleep } from '../../common/backoff.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { KINDS, type Lease } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { microTime } from '../cluster/formats.ts';

/** The default of client-go's leader election for controllers. */
const DURATION_S = 15;
const RENEW_MS = 2_000;
/** A leader that could not renew the lease gives up after this time, well before another may begin to lead. */
const RENEW_DEADLINE_MS = 10_000;

export interface LeaseOptions {
  readonly api: Cluster;
  readonly namespace: string;
  readonly name: string;
  /** A name that no other process has. */
  readonly identity: string;
  readonly log: Logger;
}

/**
 * Leader election on a Lease, so that only one of several operators works.
 *
 * No other clock is trusted: a lease has expired when it was seen unchanged for its duration on our own clock.
 */
export class Leadership {
  readonly #options: LeaseOptions;
  #seen: { readonly version: string; readonly at: number } | undefined;
  #lease: Lease | undefined;
  /**
   * When the last successful renewal was requested. Not when it was answered: this process may have been paused
   * meanwhile, for longer than the lease holds.
   */
  #renewed = Number.NEGATIVE_INFINITY;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Resolves when this process leads, or `signal` is aborted. */
  async acquire(signal: AbortSignal): Promise<void> {
    const { log, name } = this.#options;
    for (let logged = false; !signal.aborted; ) {
      try {
        if (await this.#tryOnce()) return;
        if (!logged) log.info({ lease: name }, 'another operator leads; waiting');
        logged = true;
      } catch (error) {
        log.warn({ lease: name, problem: messageOf(error) }, 'cannot reach the lease; trying again');
      }
      await sleep(RENEW_MS, signal);
    }
  }

  /** Whether no other operator can lead yet. Asked just before each write, since a process may be paused anywhere. */
  holds(): boolean {
    return performance.now() - this.#renewed < RENEW_DEADLINE_MS;
  }

  /**
   * Renews the lease until `signal` is aborted.
   *
   * @throws LeaseLostError when another operator holds the lease, or it cannot be renewed in time
   */
  async keep(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(RENEW_MS, signal);
      if (signal.aborted) return;
      const left = new AbortController();
      const late = sleep(this.#renewed + RENEW_DEADLINE_MS - performance.now(), left.signal);
      try {
        // A request may take longer than there is time: another may lead before it is answered.
        const kept = await Promise.race([this.#tryOnce(), late.then(() => 'late' as const)]);
        if (kept === false) throw new LeaseLostError(this.#options.name, 'is held by another operator now');
        if (kept === 'late' || !this.holds()) throw this.#late();
      } catch (error) {
        if (!(error instanceof LeaseLostError) && this.holds()) continue;
        // Another operator may lead from now on, and our release of the lease must not interfere with that.
        this.#lease = undefined;
        this.#renewed = Number.NEGATIVE_INFINITY;
        throw error instanceof LeaseLostError ? error : this.#late(error);
      } finally {
        left.abort();
      }
    }
  }

  /** Gives the lease up, so that another operator can begin at once. */
  async release(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (!lease) return;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime() };
    await this.#options.api.replace({ ...lease, spec }).catch(() => undefined);
  }

  #late(cause?: unknown): LeaseLostError {
    const problem = `could not be renewed for ${RENEW_DEADLINE_MS / 1000} s, so that another operator may work now`;
    return new LeaseLostError(this.#options.name, problem, { cause });
  }

  async #tryOnce(): Promise<boolean> {
    const { api, namespace, name, identity } = this.#options;
    if (await this.#renewedUnread()) return true;
    const requestedAt = performance.now();
    const found = await api.get<Lease>(KINDS.lease, namespace, name);
    if (!found) {
      const { apiVersion, kind } = KINDS.lease;
      const spec = { holderIdentity: identity, leaseDurationSeconds: DURATION_S, leaseTransitions: 0 };
      this.#lease = await api.create<Lease>({
        apiVersion,
        kind,
        metadata: { namespace, name },
        spec: { ...spec, acquireTime: microTime(), renewTime: microTime() },
      });
      this.#renewed = requestedAt;
      return true;
    }
    const holder = found.spec?.holderIdentity ?? '';
    if (holder !== identity && holder !== '' && !this.#hasExpired(found)) return false;
    const taken =
      holder === identity
        ? {}
        : { acquireTime: microTime(), leaseTransitions: (found.spec?.leaseTransitions ?? 0) + 1 };
    const spec = {
      ...found.spec,
      ...taken,
      holderIdentity: identity,
      leaseDurationSeconds: DURATION_S,
      renewTime: microTime(),
    };
    this.#lease = await api.replace<Lease>({ ...found, spec });
    this.#renewed = requestedAt;
    return true;
  }

  /**
   * Renews a lease that is ours without reading it first: one request instead of two, where an API server answers late. It is written
   * over the version that we wrote last and no other, so that nobody's is overwritten.
   *
   * @returns false where it is not ours, or somebody has written it since
   */
  async #renewedUnread(): Promise<boolean> {
    const lease = this.#lease;
    if (!lease || !this.holds()) return false;
    const requestedAt = performance.now();
    try {
      this.#lease = await this.#options.api.replace<Lease>({
        ...lease,
        spec: { ...lease.spec, renewTime: microTime() },
      });
      this.#renewed = requestedAt;
      return true;
    } catch (error) {
      // Whether it was written is not known, so that the next attempt reads it first.
      this.#lease = undefined;
      if (error instanceof KubeError && (error.isConflict || error.isNotFound)) return false;
      throw error;
    }
  }

  #hasExpired({ metadata, spec }: Lease): boolean {
    const version = metadata.resourceVersion ?? '';
    if (this.#seen?.version !== version) this.#seen = { version, at: performance.now() };
    return performance.now() - this.#seen.at > (spec?.leaseDurationSeconds ?? DURATION_S) * 1000;
  }
}

/** Thrown when another operator leads, or may lead: this process must stop working at once. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  constructor(lease: string, problem: string, options?: ErrorOptions) {
    super(`the lease ${lease} ${problem}`, options);
  }
}
