import { decideStart } from '../engine/plan-start.ts';
import { refusals } from '../plan/plan.ts';
import { quoteName } from '../text.ts';
import {
  configOption,
  guestOperand,
  hostOption,
  jsonOption,
  machineOption,
  type Command,
} from './command.ts';
import { jsonText } from './json.ts';
import { readGuest } from './guest-xml.ts';
import { noPlanJson, noPlanText, planJson, planText } from './render-plan.ts';

/** `vfio-hook plan GUEST`: what prepare would do, by the hook's own code. */
export const plan: Command = {
  name: 'plan',
  about: 'show exactly what the start of a guest would do to the host',
  details:
    'Shows the verdict on every device of the IOMMU groups concerned, each kernel write, in order, that the\n' +
    'start of the guest would make, and what the devices are like then, by the very code that the hook runs.\n' +
    'Changes nothing.',
  operands: [guestOperand],
  options: [hostOption, configOption, jsonOption, machineOption],
  statuses: { 0: 'the guest can start', 1: 'failed', 2: 'the start would be refused; or wrong usage' },
  examples: [
    'sudo vfio-hook plan win11',
    'virsh dumpxml win11 | vfio-hook plan -',
    'vfio-hook plan win11.xml --host host.json --config win11.yaml',
  ],
  run: async (call, terminal) => {
    const { domain } = readGuest(call.operands[0] ?? '-', terminal.ownHost(call));
    const engine = terminal.openEngine(call);
    const json = call.options.has('json');
    const planned = await decideStart(engine, domain);
    if (!planned) {
      terminal.print(json ? jsonText(noPlanJson(domain)) : noPlanText(domain));
      return 0;
    }
    if (planned.own && planned.snapshot.groups.some(({ open }) => open)) {
      terminal.say(
        `vfio-hook: note: guest ${quoteName(domain.name)} is running: this is what a start would meet now; ` +
          'for its next start, ask again when it is off',
      );
    }
    terminal.print(
      json
        ? jsonText(planJson(planned))
        : planText(planned, {
            names: terminal.names(engine.host),
            colour: terminal.colour,
            place: engine.placeRules,
          }),
    );
    return refusals(planned.plan).length > 0 ? 2 : 0;
  },
};
