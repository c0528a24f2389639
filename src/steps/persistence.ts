import { command as hint } from '../hint.ts';
import { readPersistenceMode } from '../observe/persistence.ts';
import type { Host } from '../host/host.ts';
import { orMessage, outcomeOfRun, type StepDefinition } from './definition.ts';
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
    return outcomeOfRun(['nvidia-smi', ...args], result, {
      // It says its errors on stdout.
      said: ({ stdout, stderr }) => `${stdout}\n${stderr}`,
      hints: [hint('systemctl status nvidia-persistenced.service'), hint('journalctl -k -b -g NVRM')],
    });
  },
  verify: wrong,
};

function argumentsOf({ device, to }: SetPersistence): readonly string[] {
  return [`--id=${device}`, `--persistence-mode=${to === 'on' ? '1' : '0'}`];
}

function wrong({ device, to }: SetPersistence, host: Host, deadlineMs: number): Promise<string | undefined> {
  return orMessage(async () => {
    const on = await readPersistenceMode(host, device, deadlineMs);
    if (on === undefined) return 'nvidia-smi does not say what it is afterwards';
    return on === (to === 'on') ? undefined : `it is ${on ? 'on' : 'off'} afterwards`;
  });
}
