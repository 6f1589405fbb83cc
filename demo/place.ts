import type { PeeredSite } from '../test/kit/sites/peered-site.ts';

/** The log of the sidecars is shown, with a line for each message. */
export const SPEC = { sidecar: { logLevel: 'trace' } };

/** Where the demo runs: the story is the same, and what a person types is not. */
export interface Place {
  readonly a: PeeredSite;
  readonly b: PeeredSite;
  /** What a person does to take the invitation of a site. */
  readonly takesInvitation: string;
  /** What a person does to end the access of the peer hospital-b. */
  readonly deletesPeer: string;
  /** Shows what was made for the nodes. */
  showNodes(): Promise<void>;
  /** Shows the peers of both sites. */
  showPeers(): Promise<void>;
  stop(): Promise<void>;
}
