import assert from 'node:assert/strict';
import {
  FencedError,
  InvalidInputError,
  MissingReferenceError,
  messageOf,
  ReportedError,
  TransientError,
  UncertainCommitError,
} from '../../../common/errors.ts';
import { AnotherStreamError } from '../../../sidecar/replay/another-stream.ts';

describe('the message of an error', () => {
  it('has the messages of all its causes, and none of them twice', () => {
    const root = new Error('connection reset');
    assert.equal(
      messageOf(new TransientError('Unreachable', 'no answer', { cause: root })),
      'no answer: connection reset',
    );
    assert.equal(messageOf(new Error('no answer: connection reset', { cause: root })), 'no answer: connection reset');
    assert.equal(messageOf('text'), 'text');
  });

  it('can be made of whatever was thrown: an object without a text, or an error that is its own cause', () => {
    assert.equal(messageOf(Object.create(null)), 'an error that has no text');
    const circle: Error = new Error('a circle');
    circle.cause = circle;
    assert.equal(messageOf(circle), 'a circle');
  });
});

describe('the class of an error', () => {
  it('says whether it is reported, and with which reason', () => {
    const delivered = {
      payload: new Uint8Array(),
      size: 0,
      streamSequence: 1,
      consumerSequence: 1,
      deliveryCount: 1,
      time: 0,
      pending: 0,
      cutOff: false,
      ack: () => undefined,
    };
    const errors: readonly ReportedError[] = [
      new TransientError('Unreachable', 'no answer'),
      new InvalidInputError('not a setting'),
      new MissingReferenceError('no such file'),
      new FencedError('taken over'),
      new UncertainCommitError('broke off'),
      new AnotherStreamError(delivered),
    ];
    assert.ok(errors.every((error) => error instanceof ReportedError));
    assert.deepEqual(
      errors.map(({ reason }) => reason),
      ['Unreachable', 'InvalidSettings', 'InvalidSettings', 'Fenced', 'UncertainCommit', 'StreamRecreated'],
    );
  });

  it('is not decided by a property named reason: such an error of a library counts as a bug', () => {
    const foreign = Object.assign(new Error('aborted'), { reason: 'Replaying' });
    assert.ok(!(foreign instanceof ReportedError));
  });
});
