import { escapeControl } from '../text.ts';
import { refuseDamaged } from '../engine/claim-store.ts';
import { recover as recoverClaims, type Recovery } from '../engine/recover.ts';
import { dryRunOption, jsonOption, machineOption, verboseOption, type Command } from './command.ts';
import { jsonText } from './json.ts';
import { withProgress } from './progress.ts';
import { ownerHeading } from './owner.ts';

/** `vfio-hook recover`: gives back what guests hold that are gone. */
export const recover: Command = {
  name: 'recover',
  about: 'give back the devices of guests that are gone',
  details:
    'Puts back what a guest held whose release never came (libvirtd was killed, the hook was killed, a kernel\n' +
    'write hung), or a vfio-hook run or detach that was killed. A claim whose guest or program still runs, or may\n' +
    'just be starting, is left alone, with the reason; so is what was detached on purpose.',
  operands: [],
  options: [dryRunOption, verboseOption, jsonOption, machineOption],
  examples: ['vfio-hook recover --dry-run', 'sudo vfio-hook recover'],
  run: async (call, terminal) => {
    const opened = terminal.openEngine(call);
    const engine =
      terminal.watched && !call.options.has('verbose')
        ? { ...opened, log: withProgress(opened.log, terminal.say) }
        : opened;
    const recoveries = await recoverClaims(engine, { dryRun: call.options.has('dry-run') });
    if (call.options.has('json')) terminal.print(jsonText(recoveries));
    else if (recoveries.length === 0) terminal.print('nothing to recover');
    else for (const recovery of recoveries) terminal.print(recoveryText(recovery));
    engine.log.close();
    refuseDamaged(engine.store.all());
    return recoveries.some(({ outcome }) => outcome === 'incomplete') ? 1 : 0;
  },
};

const outcomes: Readonly<Record<Recovery['outcome'], string>> = {
  restored: 'its devices are as they were',
  'would-restore': 'its devices would be given back',
  left: 'left alone',
  incomplete: 'not everything is back',
};

function recoveryText({ owner, outcome, reasons }: Recovery): string {
  return [`${ownerHeading(owner)}: ${outcomes[outcome]}`, ...reasons.map((reason) => `  ${reason}`)]
    .map(escapeControl)
    .join('\n');
}
