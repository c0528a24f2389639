import { advice } from '../hint.ts';
import type { Host, ProcessIdentity } from '../host/host.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { groupOf } from '../observe/read-device.ts';
import { deviceNodes, heldBy, type DeviceNode } from '../observe/uses/holders.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { describeStep, slowStep } from '../steps/index.ts';
import { subjectOf, type Step } from '../steps/step.ts';
import { LEAST_MS } from './budget.ts';
import type { Failure } from './execute.ts';

/** A write that has not returned, and what may be known of why. */
interface Waiting {
  readonly host: Host;
  readonly deadlineMs: number;
  readonly path: string;
  readonly writer: ProcessIdentity;
  /** The device's nodes as they were before. */
  readonly nodes: readonly DeviceNode[];
}

/** The failure that a step comes to whose write has not returned, with who has the device open. */
export async function stuckFailure(
  step: Step,
  { host, deadlineMs, path, writer, nodes }: Waiting,
): Promise<Failure> {
  const what = describeStep(step);
  const subject = subjectOf(step);
  const { device } = subject;
  const all = [...nodes, ...(device ? await nodesOf(host, device, LEAST_MS) : [])];
  const paths = [...new Set(all.map((node) => node.path))];
  const held =
    device &&
    (await explained(undefined, () => heldBy({ host, nodes: all, holders: host.holders(paths) }, device)));
  const slow = slowStep(step);
  const late = `${slow?.who ?? 'the kernel'} did not finish within ${deadlineMs / 1000} s (process ${writer.pid} still waits ${slow ? 'for' : 'in'} it)`;
  return {
    step,
    sentence: `cannot ${what}: ${late}${held ? `, and ${held.detail}` : ''}`,
    hints: held?.hints ??
      slow?.hints ?? [advice('end the program that uses the device; see: vfio-hook status')],
    stuck: {
      ...(device !== undefined && { device }),
      ...(subject.device === undefined &&
        subject.kind === 'mdev' && { hold: { kind: subject.kind, key: subject.key } }),
      step: what,
      path,
      writer,
      ...(paths.length > 0 && { nodes: paths }),
    },
  };
}

/** What a program can have open of a device: its own nodes, and its group's. */
export function nodesOf(host: Host, device: PciAddress, deadlineMs: number): Promise<readonly DeviceNode[]> {
  return explained<readonly DeviceNode[]>([], async () => {
    const driver = boundDriver(host, device);
    const group = groupOf(host, device);
    return [
      ...(await deviceNodes(
        host,
        [{ address: device, ...(driver !== undefined && { driver }) }],
        deadlineMs,
      )),
      ...(group === undefined ? [] : [{ device, path: sysfs.vfioGroup(group) }]),
    ];
  });
}

/** A look that only explains: when it fails, what it would explain is reported without it. */
async function explained<T>(otherwise: T, look: () => T | Promise<T>): Promise<T> {
  try {
    return await look();
  } catch {
    return otherwise;
  }
}
