import { BETWEEN, DEVICE_VARIABLE } from '../script-places.ts';
import { quoteName, shellWord, shownPath } from '../text.ts';
import type { StepDefinition } from './definition.ts';
import type { RunScript } from './step.ts';

/**
 * Runs a script of the guest while no driver has the device. What it is to do nobody else knows, so that its exit status is
 * all there is to read back.
 */
export const runScript: StepDefinition<RunScript> = {
  // It may do whatever it likes, to other devices as well.
  alone: true,
  describe: ({ device, name }) => `run the script ${shownPath(name)} for ${device}`,
  command: ({ device, guest, path }) =>
    [`${DEVICE_VARIABLE}=${device}`, word(path), word(guest), ...BETWEEN, '-'].join(' '),
  already: () => Promise.resolve(false),
  apply: async ({ device, guest, name, path }, host) => {
    if (!host.runScript) return { kind: 'failed', reason: 'scripts run at the start of a guest only' };
    const failure = await host.runScript({ device, guest, name, path });
    return failure ? { kind: 'failed', ...failure } : { kind: 'done' };
  },
  verify: () => Promise.resolve(undefined),
};

function word(text: string): string {
  return shellWord(text) ?? quoteName(text);
}
