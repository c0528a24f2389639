import { advice, command as hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { openFunction } from '../observe/virtual-functions.ts';
import { sysfs } from '../pci/sysfs.ts';
import { acting } from '../programs.ts';
import { quoteName } from '../text.ts';
import type { StepDefinition, StepOutcome } from './definition.ts';
import type { SriovManage } from './step.ts';

/**
 * NVIDIA's driver makes no virtual functions by sriov_numvfs. Its program takes the card from it, has another driver make
 * all of them, and gives the card back, for which nobody may have it open. What it says of its success proves nothing.
 */
export const sriovManage: StepDefinition<SriovManage> = {
  describe: ({ device, to }) =>
    to === 'all' ? `make all virtual functions of ${device}` : `take the virtual functions of ${device} away`,
  command: (step) => [acting['sriov-manage'], ...argumentsOf(step)].join(' '),
  already: async (step, host, deadlineMs) => (await wrong(step, host, deadlineMs)) === undefined,
  apply: async (step, host, deadlineMs) => {
    const reason = step.to === 'none' ? openFunction(host, step.device) : undefined;
    if (reason !== undefined) return { kind: 'failed', reason };
    const args = argumentsOf(step);
    const result = await host.run('sriov-manage', args, deadlineMs);
    if (result.kind === 'stuck') {
      return { kind: 'stuck', path: ['sriov-manage', ...args].join(' '), writer: result.writer };
    }
    return result.status === 0 ? { kind: 'done' } : failure(result);
  },
  verify: wrong,
};

function argumentsOf({ device, to }: SriovManage): readonly string[] {
  return [to === 'all' ? '-e' : '-d', device];
}

async function wrong(
  { device, to }: SriovManage,
  host: Host,
  deadlineMs: number,
): Promise<string | undefined> {
  const path = sysfs.attribute(device, 'sriov_numvfs');
  const read = await host.readLocked([path], deadlineMs);
  if (read.kind === 'stuck') return 'the kernel does not answer: it is busy adding or removing the device';
  const text = read.texts.get(path)?.trim();
  if (text === undefined) return 'the card is gone from the bus, or makes no virtual functions';
  const wanted = to === 'all' ? host.read(sysfs.attribute(device, 'sriov_totalvfs'))?.trim() : '0';
  return text === wanted ? undefined : `it has ${text} afterwards`;
}

interface Exit {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function failure({ status, stdout, stderr }: Exit): StepOutcome {
  const said = `${stderr}\n${stdout}`;
  const line = said.split('\n').find((each) => /cannot|error|fail/i.test(each)) ?? said.trim().split('\n')[0];
  const words = line === undefined || line === '' ? '' : `: ${quoteName(line.trim().slice(0, 200))}`;
  const isInUse = said.includes('unbindLock');
  return {
    kind: 'failed',
    reason: isInUse
      ? `somebody has the card open, or there is a vGPU on it (sriov-manage${words})`
      : `sriov-manage ends with status ${status}${words}`,
    hints: isInUse
      ? [
          hint('fuser -v /dev/nvidia*'),
          advice(
            'stop what keeps the card open meanwhile: nvidia-persistenced, nv-hostengine and dcgm-exporter, any monitor',
          ),
        ]
      : [hint('journalctl -b -u nvidia-vgpud -u nvidia-vgpu-mgr')],
  };
}
