import assert from 'node:assert/strict';
import { inTurns } from '../../../../common/turns.ts';
import { type Capabilities, NO_CAPABILITIES, readCapabilities } from '../../../../sidecar/transmit/capabilities.ts';
import { type FhirRequest, requestFor } from '../../../../sidecar/transmit/request.ts';
import { type Reading, type Resource, readResource } from '../../../../sidecar/transmit/resource.ts';
import { withTag } from '../../../../sidecar/transmit/tagged.ts';
import { assertShortStretch, longestStretch } from '../../../kit/event-loop.ts';
import { transmitted } from '../../../kit/golden/messages.ts';
import { connectMessage, type MessageOptions } from '../../../kit/sites/connect-message.ts';
import { allAtOnce } from '../replay/messages.ts';

const TARGET = { url: 'https://fhir.example.org/r4', appendResourceType: true };
const CONDITIONAL: Capabilities = { conditionalCreate: () => true };

function read(content: unknown, operation = 'POST', options: Partial<MessageOptions> = {}): Reading {
  const { payload } = connectMessage({ lfhId: 'hospital-a', content, overrides: { operation }, ...options });
  return allAtOnce(readResource(payload, 'hospital-b'));
}

function resourceOf(content: unknown, operation?: string): Resource {
  const reading = read(content, operation);
  assert.ok(reading.kind === 'resource');
  return reading.resource;
}

function sent(content: unknown, operation?: string, capabilities = NO_CAPABILITIES): FhirRequest {
  const request = requestFor(resourceOf(content, operation), TARGET, capabilities);
  assert.ok(typeof request === 'object');
  return request;
}

describe('the request for a resource', () => {
  it("has the path and the body of connect's, for what connect replays by POST", () => {
    const [golden] = transmitted();
    assert.ok(golden);
    const reading = allAtOnce(readResource(golden.message, 'lfh-node-b'));
    assert.ok(reading.kind === 'resource');
    const target = { url: 'http://127.0.0.1:38080/okbody', appendResourceType: true };
    const request = requestFor(reading.resource, target, NO_CAPABILITIES) as FhirRequest;
    assert.equal(`${request.method} ${new URL(request.url).pathname} HTTP/1.1`, golden.request.request_line);
    assert.equal(request.body.toString('utf8'), golden.request.body);
  });

  it('is a PUT or a PATCH for what was one, where connect sends a POST', () => {
    const requests = transmitted().map(({ message }) => {
      const reading = allAtOnce(readResource(message, 'lfh-node-b'));
      assert.ok(reading.kind === 'resource');
      const { method, url } = requestFor(reading.resource, TARGET, NO_CAPABILITIES) as FhirRequest;
      return `${method} ${url}`;
    });
    assert.deepEqual(requests, [
      `POST ${TARGET.url}/Patient`,
      `PUT ${TARGET.url}/Patient/001`,
      `PATCH ${TARGET.url}/Patient/001`,
    ]);
  });

  it('is a POST for a PUT without an id', () => {
    assert.equal(sent({ resourceType: 'Patient' }, 'PUT').method, 'POST');
  });

  it('asks for a conditional create by the uuid and the node of the message, and changes nothing else', () => {
    const text = '{"resourceType": "Observation", "value": 1.50, "meta":{"tag":[{"code":"x"}]}}';
    const resource = resourceOf(text);
    const { headers, body } = requestFor(resource, TARGET, CONDITIONAL) as FhirRequest;
    const tag = { system: 'https://sync.linuxforhealth.io/message/lfh-sync-hospital-a', code: resource.message.uuid };
    assert.equal(headers['If-None-Exist'], `_tag=${encodeURIComponent(`${tag.system}|${tag.code}`)}`);
    assert.equal(body.toString('utf8'), text.replace('{"code":"x"}', `{"code":"x"},${JSON.stringify(tag)}`));
  });

  it('executes no Bundle, whose entries a peer wrote', () => {
    assert.equal(sent({ resourceType: 'Bundle', type: 'transaction' }).url, `${TARGET.url}/Bundle`);
    const bundle = resourceOf({ resourceType: 'Bundle', type: 'transaction' });
    assert.equal(typeof requestFor(bundle, { ...TARGET, appendResourceType: false }, NO_CAPABILITIES), 'string');
  });

  it('goes to the URL itself where the type is not appended', () => {
    const target = { ...TARGET, appendResourceType: false };
    const { method, url, headers } = requestFor(
      resourceOf({ resourceType: 'Patient', id: '1' }, 'PUT'),
      target,
      CONDITIONAL,
    ) as FhirRequest;
    assert.deepEqual([method, url, headers['If-None-Exist']], ['POST', TARGET.url, undefined]);
  });
});

describe('a record of LFH_SYNC', () => {
  for (const [format, kind] of [
    ['FHIR-R4', 'resource'],
    ['FHIR-R4_PATIENT', 'resource'],
    ['X12-5010', 'skip'],
    ['FHIR-R4B', 'skip'],
  ] as const) {
    it(`in ${format} is a ${kind}`, () => {
      assert.equal(read({ resourceType: 'Patient' }, 'POST', { format }).kind, kind);
    });
  }

  it("of this node's own is not transmitted again", () => {
    assert.deepEqual(read({ resourceType: 'Patient' }, 'POST', { lfhId: 'hospital-b' }), {
      kind: 'skip',
      reason: 'OwnMessage',
    });
  });

  for (const content of [
    { resourceType: 'Patient/../Group' },
    { resourceType: 'patient' },
    { resourceType: 'Patient', id: '..' },
    { resourceType: 'Patient', id: 'a/b' },
    { resourceType: 'Patient', id: 'a?_format=x' },
    { resourceType: 'Patient', id: 7 },
    { id: '1' },
    '{"resourceType": "Patient", "id": "1", "ID": "2"}',
    'no JSON',
  ]) {
    it(`with ${JSON.stringify(content)} gets into no URL`, () => assert.equal(read(content).kind, 'unfit'));
  }

  it('that is something else is skipped', () => {
    for (const text of ['', '[]', 'x', '{"uuid": 1}']) {
      assert.deepEqual(allAtOnce(readResource(Buffer.from(text), 'b')), { kind: 'skip', reason: 'Unreadable' });
    }
  });
});

describe('a tag', () => {
  const tag = { system: 's', code: 'c' };
  const T = '{"system":"s","code":"c"}';
  for (const [before, after] of [
    ['{"a": 1e3}', `{"meta": {"tag":[${T}]}, "a": 1e3}`],
    [' { } ', ` {"meta": {"tag":[${T}]} } `],
    [
      '{"x":{"meta":1},"meta" : {"source":"ü"} ,"z":1.50}',
      `{"x":{"meta":1},"meta" : {"source":"ü","tag":[${T}]} ,"z":1.50}`,
    ],
    ['{"meta":{"tag":[{"v":0.10}]}}', `{"meta":{"tag":[{"v":0.10},${T}]}}`],
    ['{"a":"\\"meta\\": {","m\\u0065ta":{}}', `{"a":"\\"meta\\": {","m\\u0065ta":{"tag":[${T}]}}`],
    ['{"a":["meta",{"b":"}"}]}', `{"meta": {"tag":[${T}]}, "a":["meta",{"b":"}"}]}`],
    ['{"meta":null}', undefined],
    ['{"meta":1.50}', undefined],
    ['{"meta":{"tag":7}}', undefined],
    [`{"meta":{"a":"${'x'.repeat(100_000)}"}}`, undefined],
  ] as const) {
    it(`is ${after === undefined ? 'not ' : ''}added to ${before.slice(0, 60)}`, () => {
      assert.equal(withTag(before, tag), after);
      if (after !== undefined)
        assert.deepEqual((JSON.parse(after) as { meta: { tag: object[] } }).meta.tag.at(-1), tag);
    });
  }
});

describe('a CapabilityStatement', () => {
  const statement = (resource: object, rest: object = {}): Buffer =>
    Buffer.from(JSON.stringify({ rest: [{ mode: 'server', resource: [{ type: 'Patient', ...resource }], ...rest }] }));
  const offered = { conditionalCreate: true };
  for (const [what, body, expected] of [
    ['that offers it', statement(offered), true],
    ['that does not say', statement({}), false],
    ['whose parameters lack _tag', statement({ ...offered, searchParam: [{ name: 'identifier' }] }), false],
    ['whose type has _tag', statement({ ...offered, searchParam: [{ name: '_tag' }] }), true],
    [
      'whose common parameters have _tag',
      statement({ ...offered, searchParam: [{ name: 'name' }] }, { searchParam: [{ name: '_tag' }] }),
      true,
    ],
    ['of a client', statement(offered, { mode: 'client' }), false],
    ['whose type is offered without one', statement({ ...offered, type: 7 }), false],
    ['that says "true"', statement({ conditionalCreate: 'true' }), false],
    ['that says so of what is in a resource', statement({ extension: [offered] }), false],
    ['that says more of a type than is read', statement({ ...offered, documentation: 'x'.repeat(200_000) }), false],
    [
      'that lists more common parameters than are read',
      statement(offered, { searchParam: ['x'.repeat(200_000)] }),
      false,
    ],
    ['that is broken', Buffer.from('{"rest":[null,{"mode":"server","resource":[1]}]}'), false],
    [
      'that is written for people',
      Buffer.from(JSON.stringify(JSON.parse(statement(offered).toString()), null, 2)),
      true,
    ],
  ] as const) {
    it(`${what} means ${expected}`, () => {
      const capabilities = allAtOnce(readCapabilities(body));
      assert.equal(capabilities?.conditionalCreate('Patient'), expected);
      assert.equal(capabilities?.conditionalCreate('Group'), false);
    });
  }

  for (const text of ['<html>', '', '[]', '{"rest":[', '{} {}', `{"rest":${'['.repeat(100)}${']'.repeat(100)}}`]) {
    it(`is none that can be read: ${text.slice(0, 12)}`, () => {
      assert.equal(allAtOnce(readCapabilities(Buffer.from(text))), undefined);
    });
  }

  const many = <Item>(count: number, item: Item): Item[] => Array.from({ length: count }, () => item);
  const names = Object.fromEntries(many(350_000, 0).map((zero, nth) => [`a${nth}`, zero]));
  const large = { resource: many(60_000, { type: 'Group', ...offered }), searchParam: many(60_000, { name: 'x' }) };
  for (const [what, body] of [
    ['of many types and parameters', statement({}, large)],
    ['of nothing but lists', Buffer.from(JSON.stringify({ rest: many(600_000, [[]]) }))],
    ['of many names', Buffer.from(JSON.stringify(names))],
  ] as const) {
    it(`${what} lets everybody else have their turns while it is read`, async () => {
      const read = async (): Promise<void> => {
        assert.equal((await inTurns(readCapabilities(body)))?.conditionalCreate('Group'), false);
      };
      // JSON.parse takes more than 200 ms for the lists, and for the names.
      const limit = (): number => 100;
      await assertShortStretch(limit, () => longestStretch(read));
    });
  }
});
