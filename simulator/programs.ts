import { errnoText } from '../src/errno.ts';
import { acting, type ActingProgram } from '../src/programs.ts';
import { ip } from './ip.ts';
import { nvidiaSmi } from './nvidia-smi.ts';
import { rmmod } from './rmmod.ts';
import { sriovManage } from './sriov-manage.ts';
import { systemctl } from './systemd.ts';
import type { MachineState, ProgramOutput } from './state.ts';
import type { Work } from './work.ts';

/** What a program does: what it says when all of its work is done, which the kernel may take its time for. */
export interface ProgramRun extends ProgramOutput {
  readonly todo: readonly Work[];
}

/** A program of this machine. What it does at once it has done when it returns. */
export type Program = (state: MachineState, args: readonly string[]) => ProgramRun;

const programs: Readonly<Record<ActingProgram, Program>> = {
  ip,
  'nvidia-smi': nvidiaSmi,
  rmmod,
  'sriov-manage': sriovManage,
  systemctl,
};

/** Runs a program as far as it gets by itself. */
export function runProgram(state: MachineState, program: ActingProgram, args: readonly string[]): ProgramRun {
  return programs[program](state, args);
}

/** What is started for a program, and what it says when it does not know what it is told; no path: it is not there. */
export function programPath(
  { spec, units }: MachineState,
  program: ActingProgram,
): { readonly path?: string; readonly unfit?: string } {
  const path = acting[program];
  const isThere = isProgramThere(spec, units, program);
  const unfit = spec.unfitPrograms?.[program];
  return { ...(isThere && { path }), ...(unfit !== undefined && { unfit }) };
}

function isProgramThere(
  { files, wideRoutes }: MachineState['spec'],
  units: MachineState['units'],
  program: ActingProgram,
): boolean {
  switch (program) {
    case 'ip':
      return wideRoutes !== undefined;
    case 'systemctl':
      return Object.keys(units).length > 0;
    case 'rmmod':
      return true;
    case 'nvidia-smi':
      return files['/usr/bin/nvidia-smi'] !== undefined;
    case 'sriov-manage':
      return files[acting[program]] !== undefined;
  }
}

/** How a program ends whose system call was refused. */
export function failedOutput(errno: string, program = ''): ProgramOutput {
  const text = errnoText(errno);
  if (program === 'rmmod')
    return { status: 1, stdout: '', stderr: `rmmod: ERROR: could not remove the module: ${text}\n` };
  if (program === 'nvidia-smi')
    return { status: 255, stdout: `Failed to initialize NVML: ${text}\n`, stderr: '' };
  return { status: 2, stdout: '', stderr: `RTNETLINK answers: ${text}\n` };
}

/** How a program ends that has done something, or told it. */
export function succeeded(stdout = ''): ProgramRun {
  return { status: 0, stdout, stderr: '', todo: [] };
}

/** How a program ends that could not. */
export function refused(status: number, stderr: string): ProgramRun {
  return { status, stdout: '', stderr: `${stderr}\n`, todo: [] };
}
