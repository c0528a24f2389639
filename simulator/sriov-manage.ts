import type { ProgramRun } from './programs.ts';
import type { MachineState } from './state.ts';

/**
 * NVIDIA's sriov-manage: `-e ADDRESS` makes the virtual functions of a card, `-d ADDRESS` takes them away, since the
 * driver itself does neither.
 */
export function sriovManage(_state: MachineState, args: readonly string[]): ProgramRun {
  return { status: 1, stdout: '', stderr: `sriov-manage: cannot do ${args.join(' ')}\n`, todo: [] };
}
