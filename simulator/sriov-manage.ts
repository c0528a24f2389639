import { refused, succeeded, type ProgramRun } from './programs.ts';
import { vfsOf } from './sriov.ts';
import type { MachineState } from './state.ts';
import { isUsed } from './view-nvidia.ts';
import { busLock } from './work.ts';

/**
 * NVIDIA's sriov-manage: `-e ADDRESS` makes the virtual functions of a card, `-d ADDRESS` takes them away, since the
 * driver itself does neither. It asks for the card's unbind lock first.
 */
export function sriovManage(state: MachineState, args: readonly string[]): ProgramRun {
  const [action, address = ''] = args;
  const card = state.devices[address];
  if (action !== '-e' && action !== '-d') return refused(1, 'Usage: sriov-manage <-e|-d> <ALL|BDF>');
  const total = card?.spec.sriov?.totalVfs;
  if (!card || total === undefined || card.driver !== 'nvidia') {
    return refused(1, `${address} is not a SR-IOV capable NVIDIA GPU`);
  }
  if (action === '-e' && card.numVfs > 0) return succeeded(`VFs are already enabled on ${address}\n`);
  if (isUsed(state, card) || vfsOf(state, card).some(({ users }) => users.length > 0)) {
    return refused(1, `Cannot obtain unbindLock for ${address}`);
  }
  const said = succeeded(`${action === '-e' ? 'Enabling' : 'Disabling'} VFs on ${address}\n`);
  const { uid } = card;
  if (action === '-d') return { ...said, todo: [{ do: 'drop-vfs', uid }] };
  return {
    ...said,
    todo: [
      { do: 'lock', key: busLock },
      { do: 'make-vfs', uid, count: total },
      { do: 'unlock', key: busLock },
    ],
  };
}
