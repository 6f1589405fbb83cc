import assert from 'node:assert/strict';
import { summarize } from '../../../../../operator/api/conditions.ts';
import type { ReasonEntry } from '../../../../../operator/api/reason-entry.ts';
import { CONDITIONS, reasonEntry } from '../../../../../operator/api/reasons.ts';
import type { Condition } from '../../../../../operator/api/types.ts';
import { ACCESS_ENDING_ROWS } from './access-ending-rows.ts';
import { AWAITED_RELOAD_ROWS } from './awaited-reload-rows.ts';
import type { ConditionRow } from './condition-rows.ts';
import { deletedPeerRow, failedPeerRow } from './failed-peer-condition-rows.ts';
import { KEY_ROWS, NATS_ROWS, NODE_READY_ROWS, STREAM_ROWS } from './node-condition-rows.ts';
import { RECEIVE_ROWS, SEND_ROWS } from './peer-condition-rows.ts';
import { PEER_READY_ROWS } from './peer-ready-rows.ts';
import { REJECTED_ROWS } from './rejected-condition-rows.ts';
import { SIDECAR_ROWS } from './sidecar-condition-rows.ts';
import { STALE_RECONCILING_ROWS, STALE_ROWS, STALE_STALLED_ROWS } from './stale-condition-rows.ts';
import { TRANSMIT_ROWS } from './transmit-condition-rows.ts';
import { UPSTREAM_RECEIVE_ROWS, UPSTREAM_SEND_ROWS } from './upstream-condition-rows.ts';

const TABLES: Readonly<Record<string, readonly ConditionRow[]>> = {
  "a peer's ReceiveReady": [
    ...RECEIVE_ROWS,
    ...STALE_ROWS,
    ...REJECTED_ROWS,
    ...UPSTREAM_RECEIVE_ROWS,
    failedPeerRow('ReceiveReady'),
    deletedPeerRow('ReceiveReady'),
  ],
  "a peer's SendReady": [
    ...SEND_ROWS,
    ...AWAITED_RELOAD_ROWS,
    ...ACCESS_ENDING_ROWS,
    ...UPSTREAM_SEND_ROWS,
    failedPeerRow('SendReady'),
    deletedPeerRow('SendReady'),
  ],
  "a peer's Reconciling": STALE_RECONCILING_ROWS,
  "a peer's Stalled": STALE_STALLED_ROWS,
  "a peer's Ready": [...PEER_READY_ROWS, failedPeerRow('Ready'), deletedPeerRow('Ready')],
  "a node's KeyReady": KEY_ROWS,
  "a node's NatsConfigLive": NATS_ROWS,
  "a node's StreamReady": STREAM_ROWS,
  "a node's SidecarReady": SIDECAR_ROWS,
  "a node's TransmitReady": TRANSMIT_ROWS,
  "a node's Ready": NODE_READY_ROWS,
};

function find(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

for (const [whose, rows] of Object.entries(TABLES)) {
  describe(whose, () => {
    for (const { what, type, status, reason, says, conditions } of rows) {
      it(`is ${status} (${reason}) when ${what}`, () => {
        const found = find(conditions(), type);
        assert.deepEqual([found?.status, found?.reason], [status, reason], found?.message);
        if (says) assert.match(found?.message ?? '', says);
      });
    }
  });
}

describe('every reason in the list', () => {
  const all = Object.values(TABLES)
    .flat()
    .flatMap(({ conditions }) => conditions());
  const notLookedAt = { ...summarize('Ready', ['SendReady'], []), observedGeneration: 1, lastTransitionTime: '' };
  const produced = new Set([...all, notLookedAt].map(({ type, reason, status }) => `${type} ${reason} ${status}`));

  it('is produced by some row of these tables, with each status that is listed for it', () => {
    const listed = Object.entries(CONDITIONS).flatMap(([type, { reasons }]) =>
      Object.entries(reasons as Readonly<Record<string, ReasonEntry>>).flatMap(([reason, { statuses }]) =>
        statuses.map((status) => `${type} ${reason} ${status}`),
      ),
    );
    const missing = listed.filter((each) => !produced.has(each));
    assert.deepEqual(missing, []);
  });

  it('is only ever produced with a status that is listed for it', () => {
    for (const { type, status, reason } of all.filter((condition) => !isOver(condition))) {
      const { statuses } = reasonEntry(type, reason) ?? {};
      assert.ok(statuses?.includes(status), `${type} ${status} ${reason}`);
    }
  });

  it('is that of another condition where Ready, Stalled or Reconciling has it', () => {
    for (const { conditions } of Object.values(TABLES).flat()) {
      const found = conditions();
      const [over, others] = [found.filter(isOver), found.filter((condition) => !isOver(condition))];
      for (const { type, reason } of over) {
        if (reason !== 'AllReady')
          assert.ok(
            others.some((each) => each.reason === reason),
            `${type} ${reason}`,
          );
      }
    }
  });
});

function isOver({ type }: Condition): boolean {
  return ['Ready', 'Stalled', 'Reconciling'].includes(type);
}
