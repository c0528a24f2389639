import { jsonOption, machineOption, type Command } from '../command.ts';
import { statusText } from '../render/status.ts';
import { statusReport } from '../status-report.ts';
import { watchStatus } from '../watch-status.ts';

/** `vfio-hook status`: who holds which devices, and what waits to be put back. */
export const status: Command = {
  name: 'status',
  about: 'show which guest holds which devices, and what is not back yet',
  details:
    'Shows each claim: the guest (or vfio-hook detach or run), whether it runs, since when it holds its devices,\n' +
    'on which driver they are and were, what is not back, and kernel writes that have not returned. Then the\n' +
    'devices that are on a vfio driver without a claim. Changes nothing.',
  operands: [],
  options: [
    {
      name: 'watch',
      short: 'w',
      about: 'show it again each time that it changes, until ^C; with --json one object a line',
    },
    jsonOption,
    machineOption,
  ],
  statuses: {
    0: 'fine',
    1: 'failed',
    2: 'something is not back, a guest with a claim is gone, or a claim cannot be read; or wrong usage',
  },
  examples: ['sudo vfio-hook status', 'sudo vfio-hook status --watch', 'sudo vfio-hook status --json'],
  run: async (call, terminal) => {
    if (call.options.has('watch')) return watchStatus(call, terminal);
    const report = await statusReport(terminal.openEngine(call));
    if (call.options.has('json')) terminal.json(report);
    else terminal.print(statusText(report));
    const trouble = report.claims.some(
      ({ state, left }) => state === 'incomplete' || state === 'stuck' || left === undefined,
    );
    return trouble || report.damaged.length > 0 ? 2 : 0;
  },
};
