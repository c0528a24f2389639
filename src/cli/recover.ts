import { refuseDamaged } from '../engine/claim-store.ts';
import { recover as recoverClaims, type Recovery } from '../engine/recover.ts';
import { jsonOption, machineOption, verboseOption, type Command } from './command.ts';
import { escapeControl } from '../text.ts';
import { jsonText } from './json.ts';

/** `vfio-hook recover`: gives back what guests hold that are gone. */
export const recover: Command = {
  name: 'recover',
  about: 'give back the devices of guests that are gone',
  details:
    'Puts back what a guest held whose release never came (libvirtd was killed, the hook was killed, a kernel\n' +
    'write hung). A claim whose guest still runs, or may just be starting, is left alone, with the reason.',
  operands: [],
  options: [
    { name: 'dry-run', short: 'n', about: 'only say what would be done' },
    verboseOption,
    jsonOption,
    machineOption,
  ],
  examples: ['vfio-hook recover --dry-run', 'sudo vfio-hook recover'],
  run: async (call, terminal) => {
    const engine = terminal.openEngine(call);
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

function recoveryText({ guest, outcome, reasons }: Recovery): string {
  return [`guest ${guest.name}: ${outcomes[outcome]}`, ...reasons.map((reason) => `  ${reason}`)]
    .map(escapeControl)
    .join('\n');
}
