import { formatMatcher } from '../../common/contract/formats.ts';
import { DEFAULT_FORMATS } from '../../common/contract/peers.ts';
import { judgeBatch, planBatch } from '../../sidecar/replay/batch-plan.ts';
import type { Delivered } from '../../sidecar/replay/delivered.ts';
import { percentile, table } from '../kit/figures.ts';
import { connectMessage } from '../kit/sites/connect-message.ts';

/**
 * What a message costs until its records are planned, in the usual form and in another one, in turns: `node test/bench/judging.ts`.
 * It takes some seconds and needs no servers. The shortest of many rounds is what other processes disturbed least.
 */
const MESSAGES = 400;
const ROUNDS = 150;

const patient = {
  resourceType: 'Patient',
  name: [{ use: 'official', family: 'Müller', given: ['Anna', 'Marie'] }],
  telecom: Array.from({ length: 9 }, (_, rank) => ({ system: 'phone', value: `+49 30 ${rank}`, use: 'home', rank })),
  birthDate: '1980-05-06',
  text: { status: 'generated', div: `<div>${'Some text. '.repeat(42)}</div>` },
};
const { payload } = connectMessage({ lfhId: 'hospital-a', content: patient });
const rules = {
  ownLfhId: 'hospital-b',
  peerLfhId: 'hospital-a',
  allowOrigins: [],
  isAllowedFormat: formatMatcher(DEFAULT_FORMATS),
  maxMessageBytes: 1_048_576,
};
const roomy = { maxMessageBytes: 2_000_000 };
const topics = new Map(['LFH_SYNC', 'LFH_EXCEPTION', 'FHIR-R4'].map((topic) => [topic, roomy]));
const start = { stream: 'EVENTS', identity: null, sequence: 0, time: 0, consumerSequence: 0, from: 0 };

/** White space behind a message takes it out of the usual form, and changes nothing else. */
const contenders = ['', ' '].map((behind) => {
  const bytes = Buffer.concat([payload, Buffer.from(behind)]);
  const batch = Array.from(
    { length: MESSAGES },
    (_, nth): Delivered => ({
      payload: bytes,
      size: bytes.length,
      streamSequence: nth + 1,
      consumerSequence: nth + 1,
      deliveryCount: 1,
      time: 1,
      pending: 0,
      cutOff: false,
      ack() {},
    }),
  );
  return { name: behind === '' ? 'usual form' : 'another form', batch, micros: [] as number[] };
});

for (let round = 0; round < ROUNDS; round += 1) {
  for (const { batch, micros } of contenders) {
    const started = performance.now();
    const judging = judgeBatch(batch, start, rules);
    let step = judging.next();
    while (!step.done) step = judging.next();
    const { replays } = planBatch(step.value, topics, start, 'hospital-a', rules.maxMessageBytes, Date.now());
    micros.push(((performance.now() - started) * 1000) / MESSAGES);
    if (replays.length !== MESSAGES) throw new Error(`only ${replays.length} of ${MESSAGES} messages are replayed`);
  }
}
const rows = contenders.map(({ name, micros }) => [
  name,
  Math.min(...micros).toFixed(1),
  percentile(micros, 0.5).toFixed(1),
]);
console.log(table([`${payload.length} bytes`, 'µs/message (shortest)', 'median'], rows));
