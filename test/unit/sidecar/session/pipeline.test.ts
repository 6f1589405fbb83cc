import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { KafkaPort, PeerStream, ReplayWriter } from '../../../../sidecar/ports.ts';
import { Chain } from '../../../../sidecar/replay/chain.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import { Allowance } from '../../../../sidecar/session/allowance.ts';
import { createMetrics } from '../../../../sidecar/session/metrics.ts';
import { runSession, type SessionContext } from '../../../../sidecar/session/pipeline.ts';
import { PeerReport } from '../../../../sidecar/session/report.ts';

const AGE_MS = 10;
const POSITION = { stream: 'EVENTS', identity: null, sequence: 10, time: 1_000, consumerSequence: 0, from: 0 };

describe('a session', () => {
  it('acknowledges nothing of another stream, although a topic is looked up for long before that shows', async () => {
    const acked: number[] = [];
    const delivery = (streamSequence: number, consumerSequence: number, time: number): Delivered => ({
      payload: Buffer.alloc(0),
      size: 0,
      streamSequence,
      consumerSequence,
      deliveryCount: 1,
      time,
      pending: 2 - consumerSequence,
      cutOff: false,
      ack: () => void acked.push(streamSequence),
    });
    // The first may be a repeat. The second has the sequence of the position and not its time.
    const buffer = [delivery(9, 1, 900)];
    const writer: ReplayWriter = {
      begin: () => ({ add: () => undefined, locations: () => [] }),
      send: async () => undefined,
      commit: async () => undefined,
      close: async () => undefined,
    };
    const kafka: KafkaPort = {
      takeOver: () => assert.fail('it is taken over'),
      takeOverRedrive: () => assert.fail('it is taken over'),
      ensureTopics: async () => {
        await sleep(AGE_MS * 3);
        if (buffer.length === 0) buffer.push(delivery(10, 2, 5_000));
        return new Map(['LFH_SYNC', 'LFH_EXCEPTION'].map((topic) => [topic, { maxMessageBytes: 1_000_000 }]));
      },
    };
    const stream = {
      start: () => undefined,
      available: async () => undefined,
      take: () => buffer.splice(0, 1),
    } as unknown as PeerStream;
    const context: SessionContext = {
      peer: 'a',
      rules: {
        ownLfhId: 'b',
        peerLfhId: 'a',
        allowOrigins: [],
        isAllowedFormat: () => true,
        maxMessageBytes: 1_000_000,
      },
      limits: { messages: 100, bytes: 1_000_000, ageMs: AGE_MS },
      allowance: new Allowance(),
      kafka,
      report: new PeerReport({ name: 'a', lfhId: 'a' }, createMetrics('1.2.3').forPeer('a')),
      log: pino({ level: 'silent' }),
    };
    const start = { stream, writer, position: POSITION, chain: new Chain(0), pending: 2 };
    await assert.rejects(runSession(context, start, new AbortController().signal), { reason: 'StreamRecreated' });
    assert.deepEqual(acked, []);
  });
});
