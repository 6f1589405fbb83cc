import assert from 'node:assert/strict';
import { TransientError, UncertainCommitError } from '../../../../common/errors.ts';
import { protocolError, translate, translateInTransaction } from '../../../../sidecar/kafka/errors.ts';

/** As kafkajs makes them: an Error with more fields. */
function kafkaError(fields: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error('of kafkajs'), { name: 'KafkaJSError', ...fields });
}

describe("the cause of kafkajs's error", () => {
  it('is found in an aggregate, behind a cause, and with its topic', () => {
    const cause = kafkaError({ type: 'POLICY_VIOLATION', topic: 'FHIR-R4', brokerMessage: 'too small' });
    const aggregate = kafkaError({ errors: [kafkaError({ type: 'OPERATION_NOT_ATTEMPTED' }), cause] });
    assert.deepEqual(protocolError(kafkaError({ cause: aggregate })), {
      type: 'POLICY_VIOLATION',
      topic: 'FHIR-R4',
      brokerMessage: 'too small',
    });
  });

  it('is never what was not attempted, unless nothing else is known', () => {
    const notAttempted = kafkaError({ type: 'OPERATION_NOT_ATTEMPTED' });
    const refused = kafkaError({ type: 'TOPIC_AUTHORIZATION_FAILED' });
    assert.equal(protocolError(kafkaError({ errors: [notAttempted, refused] }))?.type, 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(protocolError(notAttempted)?.type, 'OPERATION_NOT_ATTEMPTED');
  });

  it('is looked for without end in no error, even one that contains itself', () => {
    const error = kafkaError({});
    error.cause = error;
    assert.equal(protocolError(error), undefined);
  });

  it('names the right and the topic that it is missing on', () => {
    const error = translateInTransaction(
      kafkaError({ type: 'TOPIC_AUTHORIZATION_FAILED', topic: 'FHIR-R4' }),
      'send a batch to Kafka',
      { right: 'WRITE' },
    );
    assert.ok(error instanceof TransientError);
    assert.equal(error.reason, 'KafkaRefused');
    assert.equal(
      error.message,
      'could not send a batch to Kafka: TOPIC_AUTHORIZATION_FAILED for the topic FHIR-R4; allow this sidecar WRITE on ' +
        'the topic FHIR-R4',
    );
  });

  it('is an uncertain commit in a transaction, and Kafka being unavailable outside of one', () => {
    const unknown = kafkaError({ type: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'LFH_SYNC' });
    assert.ok(translateInTransaction(unknown, 'send') instanceof UncertainCommitError);
    const outside = translate(unknown, 'describe');
    assert.ok(outside instanceof TransientError && outside.reason === 'KafkaUnavailable');
    assert.match(outside.message, /UNKNOWN_TOPIC_OR_PARTITION for the topic LFH_SYNC/);
  });

  it('is Kafka being unavailable while a connection is still being set up, though kafkajs gives that no name', () => {
    const error = translate(new Error('Broker not connected'), 'send');
    assert.ok(error instanceof TransientError && error.reason === 'KafkaUnavailable');
  });

  it('is left as it is when it is not of Kafka: a bug is not to be retried', () => {
    const bug = new TypeError('a bug');
    assert.equal(translate(bug, 'send'), bug);
  });
});
