import { openNode } from './processes.ts';
import { closeNodes } from './open-nodes.ts';
import { isDaemon } from './nvidia.ts';
import { succeeded, type ProgramRun } from './programs.ts';
import type { Device, MachineState } from './state.ts';
import { isInService } from './view-device.ts';

/**
 * nvidia-smi(1), as far as persistence mode of one card goes: `--id=ADDRESS --query-gpu=persistence_mode
 * --format=csv,noheader` and `--id=ADDRESS --persistence-mode=0|1`. It says its errors on stdout.
 */
export function nvidiaSmi(state: MachineState, args: readonly string[]): ProgramRun {
  const value = (name: string): string | undefined =>
    args.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  if (!state.drivers['nvidia'])
    return failing(
      9,
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
    );
  const id = value('id') ?? '';
  const device = state.devices[id];
  if (!device || !isCard(state, device)) return failing(6, 'No devices were found');
  if (value('query-gpu') === 'persistence_mode')
    return succeeded(`${device.persistence ? 'Enabled' : 'Disabled'}\n`);
  const mode = value('persistence-mode');
  if (mode !== '0' && mode !== '1')
    return failing(2, `Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.`);
  setPersistence(state, device, mode === '1');
  const words = mode === '1' ? 'Enabled' : 'Disabled';
  return succeeded(`${words} persistence mode for GPU 0000${id.toUpperCase()}.\nAll done.\n`);
}

/** The daemon, where it runs, opens the card or lets go of it; else the driver itself keeps it set up. */
function setPersistence(state: MachineState, device: Device, on: boolean): void {
  const daemon = state.processes.find(isDaemon);
  if (daemon) closeNodes(state, daemon.pid, device.uid);
  const node = device.spec.nodes.find((path) => /^\/dev\/nvidia\d+$/.test(path));
  if (daemon && on && node !== undefined) openNode(state, daemon, node);
  if (on) device.persistence = true;
  else delete device.persistence;
}

function isCard(state: MachineState, device: Device): boolean {
  return (
    device.driver === 'nvidia' && device.spec.physicalFunction === undefined && isInService(state, device)
  );
}

function failing(status: number, stdout: string): ProgramRun {
  return { status, stdout: `${stdout}\n`, stderr: '', todo: [] };
}
