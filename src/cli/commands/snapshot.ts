import { advice } from '../../hint.ts';
import { VfioHookError } from '../../errors.ts';
import { describeMachine } from '../../../simulator/describe/machine.ts';
import { machineOption, type Command, type Terminal } from '../command.ts';
import { jsonText } from '../json.ts';

/** `vfio-hook snapshot`: this machine as a description that `--host` takes. */
export const snapshot: Command = {
  name: 'snapshot',
  about: 'describe this machine in a file, for trying a guest on it elsewhere',
  details:
    'Prints what the PCI devices of this machine are like and what the host uses them for, in the form of\n' +
    'examples/hosts: for vfio-hook plan --host and simulate --host on another computer, and for reports of\n' +
    'faults. Serial numbers, MAC addresses, UUIDs, labels, names of hosts and people are not in it. Changes\n' +
    'nothing.',
  operands: [],
  options: [machineOption],
  examples: ['sudo vfio-hook snapshot > host.json', 'vfio-hook plan win11.xml --host host.json'],
  run: async (call, terminal) => {
    const { host } = terminal.openEngine(call);
    const { description, gaps } = await describeMachine(host, terminal.names(host));
    const text = jsonText(description);
    refuseUnreadable(text, terminal);
    for (const gap of gaps) terminal.say(`vfio-hook: note: ${gap}`);
    terminal.data(text);
    return 0;
  },
};

/** What cannot be read back would be found out only by whoever gets the file. */
function refuseUnreadable(text: string, { parts }: Terminal): void {
  try {
    parts.load('described.cjs').parseDescription(text, 'the description');
  } catch (cause) {
    throw new VfioHookError(
      'VH_INTERNAL',
      `cannot describe this machine: ${cause instanceof Error ? cause.message : String(cause)}`,
      { hints: [advice('this is a fault of vfio-hook; please report it')], cause },
    );
  }
}
