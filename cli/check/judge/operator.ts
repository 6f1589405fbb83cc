import type { Lease, Workload } from '../../../operator/api/objects.ts';
import { SIDECAR } from '../../../operator/plan/injection/container.ts';
import { statusTime } from '../../../operator/plan/observed/times.ts';
import { type Finding, failed, fine, unknown, warning } from './finding.ts';
import type { Looked } from './looked.ts';

/** What is asked about the operator: that it works, its clock, and its version. */

/**
 * A Lease, and whether it was seen to change. A lease is renewed every 2 s, and no clock has to be right for that to be seen; an
 * operator trusts no other clock, either.
 */
export interface LeaseSeen {
  readonly namespace: string;
  readonly lease: Lease;
  readonly changed: boolean;
  /** The API server's clock when the change was seen, in milliseconds since 1970. */
  readonly at: number;
}

export interface OperatorSeen {
  readonly lease: Looked<LeaseSeen>;
  /** How far this machine's clock is before that of the API server, in milliseconds. */
  readonly ahead: number;
  /** The image of the operator that holds the Lease. */
  readonly image: Looked<string>;
  /** The workload of connect; undefined where the node names none. */
  readonly connect: Looked<Workload> | undefined;
  readonly version: string;
}

export function operatorFindings(seen: OperatorSeen): Finding[] {
  return [lease(seen.lease), clocks(seen), versions(seen)];
}

/** Whether what the conditions say may be taken for what is so now. */
export function operatorWorks({ lease: looked }: Pick<OperatorSeen, 'lease'>): boolean | undefined {
  return looked.why === undefined ? lease(looked).outcome === 'Fine' : undefined;
}

function lease(looked: Looked<LeaseSeen>): Finding {
  const check = 'operator-lease';
  if (looked.why !== undefined) return unknown(check, `cannot look at the Lease lfh-sync-operator: ${looked.why}`);
  if (!looked.value)
    return failed(check, 'there is no Lease lfh-sync-operator: no operator has ever worked for this namespace');
  const { namespace, lease: found, changed } = looked.value;
  const { holderIdentity = '', renewTime = 'never' } = found.spec ?? {};
  const where = `the Lease ${namespace}/lfh-sync-operator`;
  if (holderIdentity === '') return failed(check, `nobody holds ${where}: the last operator has ended`);
  if (!changed)
    return failed(
      check,
      `${where} is held by ${holderIdentity} and not renewed; it was last renewed at ${renewTime} by that one's clock`,
    );
  return fine(check, `${holderIdentity} holds ${where} and renews it`);
}

/** So far clocks may be apart: a renewal is seen about a second late. */
const APART_MS = 5_000;
/** From here on certificates and tokens are judged wrongly in practice. */
const FAR_APART_MS = 60_000;

function clocks({ lease: looked, ahead }: OperatorSeen): Finding {
  const check = 'clock-skew';
  const seen = looked.why === undefined ? looked.value : undefined;
  const renewed = Date.parse(seen?.lease.spec?.renewTime ?? '');
  const ofOperator = seen?.changed && !Number.isNaN(renewed) ? renewed - seen.at : undefined;
  const apart: [string, number][] = [
    ['this machine', ahead],
    ...(ofOperator === undefined ? [] : [["the operator's", ofOperator] as [string, number]]),
  ];
  const wrong = apart.filter(([, by]) => Math.abs(by) > APART_MS);
  if (wrong.length > 0) {
    const text = wrong
      .map(([whose, by]) => `the clock of ${whose} ${describe(by)}`)
      .join('; ')
      .replace("of the operator's", 'of the operator');
    return wrong.some(([, by]) => Math.abs(by) > FAR_APART_MS) ? failed(check, text) : warning(check, text);
  }
  if (ofOperator === undefined) {
    return unknown(
      check,
      "this machine's clock agrees with that of the API server; that of the operator is not known, since its Lease was not seen to change",
    );
  }
  return fine(check, 'the clocks of this machine, the API server and the operator agree');
}

function describe(by: number): string {
  return `is ${Math.round(Math.abs(by) / 1000)} s ${by > 0 ? 'before' : 'behind'} that of the API server`;
}

function versions({ image, connect, version }: OperatorSeen): Finding {
  const check = 'versions';
  if (image.why !== undefined) return unknown(check, `cannot look at the pod of the operator: ${image.why}`);
  if (image.value === undefined) return unknown(check, NO_POD);
  const sidecar = connect?.why === undefined ? sidecarImage(connect?.value) : undefined;
  const apart = differences(image.value, sidecar, version);
  if (apart.length > 0) return warning(check, apart.join('; '));
  if (connect?.why !== undefined) return unknown(check, `cannot look at connect's workload: ${connect.why}`);
  if (tagOf(image.value) === undefined) return unknown(check, `the image ${image.value} does not say its version`);
  return fine(check, `operator${sidecar === undefined ? '' : ', sidecar'} and this program are ${version}`);
}

const NO_POD = 'the operator that holds the Lease is no pod of that namespace, so its version is not known';

function differences(image: string, sidecar: string | undefined, version: string): string[] {
  const tag = tagOf(image);
  const ofProgram = tag !== undefined && tag !== version;
  const ofSidecar = sidecar !== undefined && sidecar !== image;
  return [
    ...(ofProgram ? [`the operator's image is ${image}, and this program is ${version}`] : []),
    ...(ofSidecar ? [`the sidecar's image is ${sidecar}, and the operator's is ${image}`] : []),
  ];
}

function sidecarImage(workload: Workload | undefined): string | undefined {
  return workload?.spec.template.spec.initContainers?.find(({ name }) => name === SIDECAR)?.image;
}

function tagOf(image: string): string | undefined {
  return /:([^:/]+)$/.exec(image.replace(/@.*$/, ''))?.[1];
}

/** A time for a person. */
export function timeText(milliseconds: number): string {
  return statusTime(milliseconds).replace(/\.\d+Z$/, 'Z');
}
