import { examine } from '../../doctor/examine.ts';
import { guestExamination } from '../../doctor/lint/guest-examination.ts';
import { lints } from '../../doctor/lint/lints.ts';
import { guestOperand, hostOption, jsonOption, machineOption, type Command } from '../command.ts';
import { findingStatuses } from './doctor.ts';
import { openExamination } from '../examination.ts';
import { findingsJson, findingsStatus, findingsText } from '../render/findings.ts';

/** `vfio-hook lint GUEST`: advice on a guest's XML. */
export const lint: Command = {
  name: 'lint',
  about: 'advise on the XML of a guest, with what to paste',
  details:
    'Looks at the XML of a guest for what is known to go wrong with assigned devices: Code 43, missing functions\n' +
    'of a card, multifunction addresses, ROMs, locked memory, and more, each with the lines to paste. Devices\n' +
    'that this host has are looked at as well. Changes nothing.',
  operands: [guestOperand],
  options: [hostOption, jsonOption, machineOption],
  statuses: findingStatuses,
  ownStatuses: { failure: 2 },
  examples: ['sudo vfio-hook lint win11', 'virsh dumpxml win11 | vfio-hook lint -'],
  run: async (call, terminal) => {
    const { on, guest } = openExamination(call, terminal);
    const findings = guest?.xml ? await examine(lints, guestExamination(on, guest.xml)) : [];
    if (call.options.has('json')) terminal.json(findingsJson(findings));
    else terminal.print(findingsText(findings, terminal), true);
    return findingsStatus(findings);
  },
};
