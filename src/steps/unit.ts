import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { isRunning, readUnits, waitsForLibvirt } from '../observe/units.ts';
import { managerArguments, unitCommand, unitOfKey, unitWords, type Unit } from '../pci/unit.ts';
import { orMessage, outcomeOfRun, type StepDefinition, type StepOutcome } from './definition.ts';
import type { ChangeUnit } from './step.ts';

/**
 * systemctl(1) waits until the unit has come to rest, for which systemd itself gives a unit 90 seconds
 * (systemd-system.conf(5), DefaultTimeoutStopSec=). What it says of its success is read back.
 */
export const unit: StepDefinition<ChangeUnit> = {
  slow: {
    who: 'systemd',
    hints: [
      command('systemctl list-jobs'),
      advice(
        'a unit that is only slow has longer with a longer timeouts.kernelWrite in the configuration of the guest',
      ),
    ],
  },
  describe: ({ key, to }) => `${to} ${unitWords(unitOfKey(key))}`,
  command: ({ key, to }) => unitCommand(to, unitOfKey(key)),
  already: async (step, host, deadlineMs) => (await wrong(step, host, deadlineMs)) === undefined,
  apply: async ({ key, to }, host, deadlineMs) => {
    const own = unitOfKey(key);
    // In the queue it is as good as started: systemd brings it back once libvirt's daemon has come to rest.
    if (to === 'start' && (await mustNotWait(host, own, deadlineMs)))
      return (await systemctl(host, to, own, deadlineMs, '--no-block')).outcome;
    const first = await systemctl(host, to, own, deadlineMs);
    if (to === 'stop' || !first.isTooOften) return first.outcome;
    // Whoever starts and ends guests quickly meets the limit of starts (systemd.unit(5), StartLimitIntervalSec=).
    const reset = await systemctl(host, 'reset-failed', own, deadlineMs);
    return reset.outcome.kind === 'done'
      ? (await systemctl(host, to, own, deadlineMs)).outcome
      : reset.outcome;
  },
  verify: wrong,
};

/** What came of it, and whether systemd finds that the unit was started too often. */
interface Ran {
  readonly outcome: StepOutcome;
  readonly isTooOften: boolean;
}

async function systemctl(
  host: Host,
  verb: string,
  own: Unit,
  deadlineMs: number,
  ...options: readonly string[]
): Promise<Ran> {
  const args = [...managerArguments(own.user), verb, ...options, '--', own.name];
  const result = await host.run('systemctl', args, deadlineMs);
  const outcome = outcomeOfRun(['systemctl', ...args], result, {
    said: ({ stderr }) => stderr,
    hints: [command(unitCommand('status', own))],
  });
  const said = result.kind === 'exited' && result.status !== 0 ? result.stderr : '';
  return { outcome, isTooOften: /too often|repeated too quickly|start-limit/.test(said) };
}

/** What cannot be said is no reason to leave it stopped: then its start is waited for, as far as time goes. */
async function mustNotWait(host: Host, own: Unit, deadlineMs: number): Promise<boolean> {
  try {
    return await waitsForLibvirt(host, own, deadlineMs);
  } catch (error) {
    if (error instanceof VfioHookError) return false;
    throw error;
  }
}

function wrong({ key, to }: ChangeUnit, host: Host, deadlineMs: number): Promise<string | undefined> {
  return orMessage(async () => {
    const state = (await readUnits(host, [key], deadlineMs)).get(key);
    if (!state || isRunning(state) === (to === 'start')) return undefined;
    return `it is ${state.active === '' ? 'in no state' : state.active} afterwards`;
  });
}
