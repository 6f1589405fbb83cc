/** Messages as connect announces them. They are synthetic, and about no person. */

export const PATIENT = {
  resourceType: 'Patient',
  id: '001',
  active: true,
  gender: 'male',
  name: [{ family: 'Müller', given: ['Zoë'] }],
};

/** The fields of a message on EVENTS.sync, in connect's order; `overrides` replace or remove (undefined) some. */
export function messageFields(overrides: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    uuid: '5e1a8a0f-5c4b-4c70-9d5b-0d1e9a7f5a01',
    lfh_id: 'hospital-a',
    operation: 'POST',
    creation_date: '2026-11-23T11:42:05+00:00',
    store_date: '2026-11-23T11:42:05+00:00',
    consuming_endpoint_url: '/fhir/Patient',
    data: base64(JSON.stringify(PATIENT)),
    data_format: 'FHIR-R4',
    status: 'success',
    data_record_location: 'FHIR-R4:0:0',
    target_endpoint_urls: [],
    ipfs_uri: null,
    elapsed_storage_time: 0.012,
    transmit_date: null,
    elapsed_transmit_time: null,
    elapsed_total_time: 0.034,
    transmission_attributes: { accept: '*/*' },
    ...overrides,
  };
}

/** The bytes of such a message. */
export function messageBytes(overrides: Readonly<Record<string, unknown>> = {}): Buffer {
  return Buffer.from(JSON.stringify(messageFields(overrides)));
}

export function base64(text: string | Uint8Array): string {
  return Buffer.from(text as string).toString('base64');
}

/** Does all the work of a generator at once, without a turn of the event loop at its `yield`s. */
export function allAtOnce<Result>(work: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
