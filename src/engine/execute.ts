import { advice, type Hint } from '../hint.ts';
import { setImmediate as turn } from 'node:timers/promises';
import type { StuckWrite } from '../claim/claim.ts';
import type { Host, ProcessIdentity } from '../host/host.ts';
import { asFailure } from '../failure.ts';
import { groupOf } from '../observe/read-device.ts';
import { deviceNodes, heldBy, type DeviceNode } from '../observe/uses/holders.ts';
import type { Log, LogEntry } from '../log/log.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { subjectOf, type Step } from '../steps/step.ts';
import type { StepOutcome } from '../steps/definition.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { describeStep, doStep } from '../steps/index.ts';

/** How a list of steps is executed; `guest` and `owner` are for the log. */
export interface ExecuteOptions extends Pick<LogEntry, 'guest' | 'owner'> {
  readonly host: Host;
  readonly log: Log;
  /** Milliseconds that the kernel may take for one write. */
  readonly deadlineMs: number;
  /**
   * `stop`: the first failure ends it (handing over: all or nothing).
   * `next-device`: a failure ends it for that device only (giving back: as much as can be).
   */
  readonly onFailure: 'stop' | 'next-device';
  /** Asked before each step; true ends the execution there, as a failure would. */
  readonly interrupted?: () => string | undefined;
}

/** A step that failed. */
export interface Failure {
  readonly step: Step;
  /** One sentence: `cannot unbind 0000:03:00.0 from amdgpu: EBUSY (…)`. */
  readonly sentence: string;
  readonly hints: readonly Hint[];
  readonly errno?: string;
  readonly stuck?: StuckWrite;
}

/** What kept a run from its end: a step, or what belongs to none. */
export type Trouble = Omit<Failure, 'step'>;

/**
 * Executes steps in order; each is applied, read back and logged before the next begins. Returns the
 * failures, none when everything is as planned. Never throws for what the kernel answers.
 */
export async function execute(steps: readonly Step[], options: ExecuteOptions): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const given = new Set<PciAddress>();
  let stuckSince: number | undefined;
  for (const step of steps) {
    const { device } = subjectOf(step);
    if (device !== undefined && given.has(device)) continue;
    const deadlineMs = stuckSince === undefined ? options.deadlineMs : restOf(options, stuckSince);
    const failure = await executeStep(step, { ...options, deadlineMs });
    if (!failure) continue;
    if (failure.stuck) stuckSince ??= options.host.now();
    failures.push(failure);
    if (options.onFailure === 'stop') break;
    if (device !== undefined) given.add(device);
  }
  return failures;
}

/**
 * Milliseconds that the kernel gets for all that is left, when one write has used up its deadline: whoever waits for
 * the run has waited long enough. Each step of it gets at least the second, in which a child can start.
 */
export const AFTER_STUCK_MS = 450;
const LEAST_MS = 150;

function restOf({ host, deadlineMs }: ExecuteOptions, since: number): number {
  return Math.min(deadlineMs, Math.max(LEAST_MS, Math.round(since + AFTER_STUCK_MS - host.now())));
}

async function executeStep(step: Step, options: ExecuteOptions): Promise<Failure | undefined> {
  const { host, log, guest, owner, deadlineMs } = options;
  const what = describeStep(step);
  // A signal is heard between two turns of the event loop, and steps that return at once make none.
  await turn();
  const interrupted = options.interrupted?.();
  if (interrupted !== undefined)
    return { step, sentence: `stopped before: ${what} (${interrupted})`, hints: [] };

  const nodes = step.kind === 'unbind' ? await nodesOf(host, step.device, deadlineMs) : [];
  const started = host.now();
  const outcome = await attempt(step, host, deadlineMs);
  const { device } = subjectOf(step);
  log.write({
    severity: outcome.kind === 'done' || outcome.kind === 'skipped' ? 'info' : 'err',
    message: 'step',
    ...(guest !== undefined && { guest }),
    ...(owner !== undefined && { owner }),
    ...(device !== undefined && { device }),
    step: what,
    result: outcome.kind === 'failed' ? `failed: ${outcome.reason}` : outcome.kind,
    durationMs: host.now() - started,
  });
  return outcome.kind === 'stuck'
    ? await stuckFailure(step, what, { host, deadlineMs, nodes, ...outcome })
    : failureOf(step, what, outcome);
}

/** What keeps this process itself from doing it (not the kernel's answer to the write) is a failed step, too. */
async function attempt(step: Step, host: Host, deadlineMs: number): Promise<StepOutcome> {
  try {
    return await doStep(step, host, deadlineMs);
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    const { message, hints, errno } = failure;
    return { kind: 'failed', reason: message, hints, ...(errno !== undefined && { errno }) };
  }
}

function failureOf(
  step: Step,
  what: string,
  outcome: Exclude<StepOutcome, { readonly kind: 'stuck' }>,
): Failure | undefined {
  if (outcome.kind !== 'failed') return undefined;
  return {
    step,
    sentence: `cannot ${what}: ${outcome.reason}`,
    hints: outcome.hints ?? [],
    ...(outcome.errno !== undefined && { errno: outcome.errno }),
  };
}

/** A write that has not returned, and what may be known of why. */
interface Waiting extends Pick<ExecuteOptions, 'host' | 'deadlineMs'> {
  readonly path: string;
  readonly writer: ProcessIdentity;
  /** The device's nodes as they were before. */
  readonly nodes: readonly DeviceNode[];
}

async function stuckFailure(
  step: Step,
  what: string,
  { host, deadlineMs, path, writer, nodes }: Waiting,
): Promise<Failure> {
  const { device } = subjectOf(step);
  const all = [...nodes, ...(device ? await nodesOf(host, device, LEAST_MS) : [])];
  const paths = [...new Set(all.map((node) => node.path))];
  const held =
    device &&
    (await explained(undefined, () => heldBy({ host, nodes: all, holders: host.holders(paths) }, device)));
  const late = `the kernel did not finish within ${deadlineMs / 1000} s (process ${writer.pid} still waits in it)`;
  return {
    step,
    sentence: `cannot ${what}: ${late}${held ? `, and ${held.detail}` : ''}`,
    hints: held?.hints ?? [advice('end the program that uses the device; see: vfio-hook status')],
    stuck: {
      ...(device !== undefined && { device }),
      step: what,
      path,
      writer,
      ...(paths.length > 0 && { nodes: paths }),
    },
  };
}

/** What a program can have open of a device: its own nodes, and its group's. */
function nodesOf(host: Host, device: PciAddress, deadlineMs: number): Promise<readonly DeviceNode[]> {
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
