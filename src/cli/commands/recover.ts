import { count, plural } from '../../count.ts';
import { escapeControl } from '../../text.ts';
import { refuseDamaged } from '../../engine/claim-store.ts';
import { recover as recoverClaims, type Recovery } from '../../engine/recover.ts';
import { VfioHookError } from '../../errors.ts';
import { advice } from '../../hint.ts';
import { dryRunOption, jsonOption, machineOption, verboseOption } from '../command.ts';
import type { Call, Command, Terminal } from '../command.ts';
import { withProgress } from '../progress.ts';
import { ownerHeading } from '../owner.ts';
import { listenForSignals, type EndingSignal } from '../signals.ts';

/** `vfio-hook recover`: gives back what guests hold that are gone. */
export const recover: Command = {
  name: 'recover',
  about: 'give back the devices of guests that are gone',
  details:
    'Puts back what a guest held whose release never came (libvirtd was killed, the hook was killed, a kernel\n' +
    'write hung), or a vfio-hook run or detach that was killed. A claim whose guest or program still runs, or may\n' +
    'just be starting, is left alone, with the reason; so is what was detached on purpose. A signal ends it after\n' +
    'the claim that it is at, with exit status 1.',
  operands: [],
  options: [dryRunOption, verboseOption, jsonOption, machineOption],
  onlyRoot: true,
  examples: ['sudo vfio-hook recover --dry-run', 'sudo vfio-hook recover'],
  run: async (call, terminal) => {
    const signals = listenForSignals();
    try {
      const opened = terminal.openEngine(call, signals.interrupted);
      const engine =
        terminal.watched && !call.options.has('verbose')
          ? { ...opened, log: withProgress(opened.log, terminal.say) }
          : opened;
      const recoveries = await recoverClaims(engine, { dryRun: call.options.has('dry-run') });
      show(recoveries, call, terminal);
      engine.log.close();
      refuseStopped(recoveries, signals.interrupted());
      refuseDamaged(engine.store.all());
      return recoveries.some(({ outcome }) => outcome === 'incomplete' || outcome === 'would-wait') ? 1 : 0;
    } finally {
      signals.stop();
    }
  },
};

/** What a signal has kept from being looked at is counted, not listed: it may be long. */
function show(recoveries: readonly Recovery[], { options }: Call, { json, print }: Terminal): void {
  if (options.has('json')) json(recoveries);
  else if (recoveries.length === 0) print('nothing to recover');
  else for (const each of recoveries) if (each.outcome !== 'not-tried') print(recoveryText(each));
}

function refuseStopped(recoveries: readonly Recovery[], signal: EndingSignal | undefined): void {
  const left = recoveries.filter(({ outcome }) => outcome === 'not-tried').length;
  if (signal === undefined || left === 0) return;
  throw new VfioHookError(
    'VH_INCOMPLETE',
    `stopped by ${signal}: ${left} of ${count(recoveries.length, 'claim')} ${plural(left, 'was', 'were')} not looked at`,
    { hints: [advice('go on with: vfio-hook recover')] },
  );
}

const outcomes: Readonly<Record<Recovery['outcome'], string>> = {
  restored: 'its devices are as they were',
  'would-restore': 'its devices would be given back',
  'would-wait': 'not everything could be given back now',
  left: 'left alone',
  incomplete: 'not everything is back',
  'not-tried': 'not looked at',
};

function recoveryText({ owner, outcome, reasons }: Recovery): string {
  return [`${ownerHeading(owner)}: ${outcomes[outcome]}`, ...reasons.map((reason) => `  ${reason}`)]
    .map(escapeControl)
    .join('\n');
}
