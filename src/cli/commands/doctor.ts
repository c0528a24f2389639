import { checks } from '../../doctor/checks.ts';
import { examine } from '../../doctor/examine.ts';
import { guestExamination } from '../../doctor/lint/guest-examination.ts';
import { lints } from '../../doctor/lint/lints.ts';
import { guestOperand, jsonOption, machineOption, type Command } from '../command.ts';
import { openExamination } from '../examination.ts';
import { findingsJson, findingsStatus, findingsText } from '../render/findings.ts';

/** Exit statuses of commands that report findings. A failure of their own is never taken for a mere warning. */
export const findingStatuses = {
  0: 'all is well',
  1: 'there are warnings',
  2: 'something is broken; or the command itself failed, or was called wrongly',
} as const;

/** `vfio-hook doctor [GUEST]`: everything that makes people fail, each with what to type. */
export const doctor: Command = {
  name: 'doctor',
  about: 'check host, installation and guests, and say what to type',
  details:
    'Looks at everything that keeps guests from getting their devices: IOMMU, vfio modules, the hook and its\n' +
    'permissions, libvirt, AppArmor and SELinux, Node.js, configuration, claims, and each guest’s plan. With GUEST\n' +
    'also at that guest’s XML, as vfio-hook lint does. Changes nothing, and asks libvirt nothing. Without root it\n' +
    'says what it could not see.',
  operands: [{ ...guestOperand, optional: true }],
  options: [
    { name: 'quiet', short: 'q', about: 'show only what is not ok, worst first' },
    jsonOption,
    machineOption,
  ],
  statuses: findingStatuses,
  ownStatuses: { failure: 2 },
  examples: ['sudo vfio-hook doctor', 'sudo vfio-hook doctor --quiet'],
  run: async (call, terminal) => {
    const { on, guest } = openExamination(call, terminal);
    const findings = [
      ...(await examine(checks, on)),
      ...(guest?.xml ? await examine(lints, guestExamination(on, guest.xml)) : []),
    ];
    const quiet = call.options.has('quiet');
    if (call.options.has('json')) terminal.json(findingsJson(findings, quiet));
    else terminal.print(findingsText(findings, { ...terminal, quiet }), true);
    return findingsStatus(findings);
  },
};
