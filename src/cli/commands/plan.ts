import { decideStart } from '../../engine/plan-start.ts';
import { quoteName } from '../../text.ts';
import {
  configOption,
  guestOperand,
  hostOption,
  jsonOption,
  machineOption,
  type Command,
} from '../command.ts';
import { readGuest } from '../guest-xml.ts';
import { listOutlooks, outlookLines } from '../plan-list.ts';
import { isRefused, noPlanJson, noPlanText, planJson, planText } from '../render/plan.ts';

/** `vfio-hook plan GUEST`: what prepare would do, by the hook's own code. */
export const plan: Command = {
  name: 'plan',
  about: 'show exactly what the start of a guest would do to the host',
  details:
    'Shows the verdict on every device of the IOMMU groups concerned, each kernel write, in order, that the\n' +
    'start of the guest would make, and what the devices are like then, by the very code that the hook runs.\n' +
    'Without GUEST it lists the guests that have host devices, with a word on each. Changes nothing.',
  operands: [{ ...guestOperand, optional: true }],
  options: [hostOption, configOption, jsonOption, machineOption],
  statuses: {
    0: 'the guest can start; or the guests are listed',
    1: 'failed',
    2: 'the start would be refused; or wrong usage',
  },
  examples: [
    'sudo vfio-hook plan',
    'sudo vfio-hook plan win11',
    'virsh dumpxml win11 | sudo vfio-hook plan -',
    'vfio-hook plan win11.xml --host host.json --config win11.yaml',
  ],
  run: async (call, terminal) => {
    const [guest] = call.operands;
    const json = call.options.has('json');
    if (guest === undefined) {
      const outlooks = await listOutlooks(terminal.openEngine(call), terminal.ownHost(call));
      if (json) terminal.json(outlooks);
      else terminal.print(outlookLines(outlooks).join('\n'));
      return 0;
    }
    const { domain } = readGuest(guest, terminal.ownHost(call));
    const engine = terminal.openEngine(call);
    const planned = await decideStart(engine, domain);
    if (!planned) {
      if (json) terminal.json(noPlanJson(domain));
      else terminal.print(noPlanText(domain));
      return 0;
    }
    if (planned.isRunning) {
      terminal.say(
        `vfio-hook: note: guest ${quoteName(domain.name)} is running: this is what a start would meet now; ` +
          'for its next start, ask again when it is off',
      );
    }
    if (json) terminal.json(planJson(planned));
    else
      terminal.print(
        planText(planned, { ...terminal, names: terminal.names(engine.host), place: engine.placeRules }),
      );
    return isRefused(planned) ? 2 : 0;
  },
};
