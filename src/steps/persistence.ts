import { VfioHookError } from '../errors.ts';
import { command as hint } from '../hint.ts';
import { readPersistenceMode } from '../observe/persistence.ts';
import type { Host } from '../host/host.ts';
import { quoteName } from '../text.ts';
import type { StepDefinition } from './definition.ts';
import type { SetPersistence } from './step.ts';

/**
 * nvidia-smi(1) tells nvidia-persistenced where that runs, which opens the card or closes it, and else the driver. What it
 * says of its success is read back.
 */
export const persistence: StepDefinition<SetPersistence> = {
  describe: ({ device, to }) => `set persistence mode of ${device} to ${to}`,
  command: (step) => ['nvidia-smi', ...argumentsOf(step)].join(' '),
  already: async (step, host, deadlineMs) => (await wrong(step, host, deadlineMs)) === undefined,
  apply: async (step, host, deadlineMs) => {
    const args = argumentsOf(step);
    const result = await host.run('nvidia-smi', args, deadlineMs);
    if (result.kind === 'stuck')
      return { kind: 'stuck', path: ['nvidia-smi', ...args].join(' '), writer: result.writer };
    if (result.status === 0) return { kind: 'done' };
    // It says its errors on stdout.
    const [line = ''] = `${result.stdout}\n${result.stderr}`.trim().split('\n');
    const words = line === '' ? '' : `: ${quoteName(line.slice(0, 200))}`;
    return {
      kind: 'failed',
      reason: `nvidia-smi ends with status ${result.status}${words}`,
      hints: [hint('systemctl status nvidia-persistenced.service'), hint('journalctl -k -b -g NVRM')],
    };
  },
  verify: wrong,
};

function argumentsOf({ device, to }: SetPersistence): readonly string[] {
  return [`--id=${device}`, `--persistence-mode=${to === 'on' ? '1' : '0'}`];
}

async function wrong(
  { device, to }: SetPersistence,
  host: Host,
  deadlineMs: number,
): Promise<string | undefined> {
  try {
    const on = await readPersistenceMode(host, device, deadlineMs);
    if (on === undefined) return 'nvidia-smi does not say what it is afterwards';
    return on === (to === 'on') ? undefined : `it is ${on ? 'on' : 'off'} afterwards`;
  } catch (error) {
    if (error instanceof VfioHookError) return error.message;
    throw error;
  }
}
