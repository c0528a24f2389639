import { inspectFunctions } from '../../engine/inspect-functions.ts';
import { escapeControl } from '../../text.ts';
import { hostOption, jsonOption, machineOption, type Command } from '../command.ts';
import { sriovText } from '../render/sriov.ts';

/** `vfio-hook sriov`: cards with virtual functions, and who has which. */
export const sriov: Command = {
  name: 'sriov',
  about: 'list what cards could make of virtual functions, and who has them',
  details:
    'Lists every card that offers virtual functions (SR-IOV): how many it could have and has, who made them, what\n' +
    'config.yaml promises of it, and of each function its address, IOMMU group and driver, the guest that has it,\n' +
    'and what the card keeps for it (MAC address, VLAN, …). Functions that are not there yet are shown where they\n' +
    'will be. Changes nothing. Works without root; who has them is for root to see.',
  operands: [],
  options: [hostOption, jsonOption, machineOption],
  examples: ['sudo vfio-hook sriov', 'sudo vfio-hook sriov --json'],
  run: async (call, terminal) => {
    const engine = terminal.openEngine(call);
    const { cards, notes } = await inspectFunctions(engine);
    for (const note of notes) terminal.say(`vfio-hook: note: ${escapeControl(note)}`);
    if (call.options.has('json')) terminal.json(cards);
    else terminal.print(sriovText(cards, { ...terminal, names: terminal.names(engine.host) }, engine.host));
    return 0;
  },
};
