import { STREAM } from '../../common/contract/names.ts';
import type { SidecarStatus } from '../../common/contract/status.ts';
import { InvalidSpecError, messageOf, TransientError } from '../../common/errors.ts';
import { askSidecars } from '../nats/ask-sidecars.ts';
import { type OwnNats, openOwn } from '../nats/jet-stream.ts';
import { whichConfig } from '../nats/sign-in.ts';
import type { DataPlane, ObservedNats } from '../plan/observed.ts';
import type { Plan } from '../plan/plan.ts';
import type { DataPlanePort, Visit } from './node-controller.ts';

/** Sidecars answer within milliseconds; one that is busy is given this long. */
const SIDECAR_TIMEOUT_MS = 2_000;

/** Reaches a node's own NATS with the node's own key. */
export const dataPlane: DataPlanePort = {
  async visit(visit) {
    const { node, plan, seed, previousSeed } = visit;
    if (!plan.files) return { nats: undefined, sidecars: undefined };
    try {
      const trust = { ca: plan.ownCa };
      const wanted = { ...trust, nodeSeed: seed, previousSeed, hash: plan.files.hash };
      const { servers } = await whichConfig(node.spec.nats.servers, wanted);
      const own = await signIn(visit);
      if (typeof own === 'string') return { nats: unasked(servers, own), sidecars: undefined };
      try {
        return {
          nats: { servers, ...(await tendDurables(own, plan)) },
          sidecars: await sidecarsOf(own, node.metadata.name),
        };
      } finally {
        await own.close();
      }
    } catch (error) {
      return { nats: unasked([], mendable(error)), sidecars: undefined };
    }
  },
};

/** A server that was not reloaded since a rotation knows only the previous key. */
async function signIn({ node, plan, seed, previousSeed }: Visit): Promise<OwnNats | string> {
  const problems: string[] = [];
  for (const each of [seed, previousSeed]) {
    if (each === undefined) continue;
    try {
      return await openOwn(node.spec.nats.servers, { ca: plan.ownCa, seed: each });
    } catch (error) {
      problems.push(mendable(error));
    }
  }
  return problems.join('; ');
}

/** Makes the durables that peers need, and removes those that nobody does. */
async function tendDurables(own: OwnNats, plan: Plan): Promise<Omit<ObservedNats, 'servers'>> {
  let problem: string | undefined;
  const attempt = async <Value>(work: Promise<Value>): Promise<Value | undefined> =>
    work.catch((error: unknown) => {
      problem ??= mendable(error);
      return undefined;
    });
  const stream = await attempt(own.streamInfo(STREAM));
  if (!stream) return { streamFirst: undefined, durables: problem === undefined ? [] : undefined, problem };
  const before = (await attempt(own.durables(STREAM))) ?? [];
  const wanted = new Set(plan.durables.map(({ durable_name }) => durable_name));
  for (const durable of plan.durables) await attempt(own.ensureDurable(STREAM, durable));
  for (const { name } of before) if (!wanted.has(name)) await attempt(own.removeDurable(STREAM, name));
  const durables = await attempt(own.durables(STREAM));
  return { streamFirst: stream.firstSequence, durables, problem };
}

async function sidecarsOf(own: OwnNats, node: string): Promise<readonly SidecarStatus[] | undefined> {
  try {
    return (await askSidecars(own.connected, node, SIDECAR_TIMEOUT_MS)).statuses;
  } catch (error) {
    mendable(error);
    return undefined;
  }
}

function unasked(servers: ObservedNats['servers'], problem: string): DataPlane['nats'] {
  return { servers, streamFirst: undefined, durables: undefined, problem };
}

/** @throws the error itself where it is none of ours: a bug */
function mendable(error: unknown): string {
  if (error instanceof TransientError || error instanceof InvalidSpecError) return messageOf(error);
  throw error;
}
