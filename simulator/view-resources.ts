import { barSpec, flagsNow } from './bars.ts';
import { profileOf } from './profile.ts';
import { vfAddress } from './sriov.ts';
import { devicePath, isBridge, type Device, type MachineState } from './state.ts';
import { hex, kernelBoolean, kernelNumber } from './text.ts';
import { link, text, type Node } from './tree.ts';
import { deviceLock, done, failed, then, type Work } from './work.ts';

/** `resource`, and for each BAR `resourceN` and where it can be resized `resourceN_resize`. */
export function barAttributes(state: MachineState, device: Device): Record<string, Node> {
  const entries: Record<string, Node> = { resource: text(() => resourceText(device)) };
  for (const bar of device.bars) {
    entries[`resource${bar.index}`] = text(() => '');
    const sizes = barSpec(device, bar.index)?.sizes ?? [];
    if (sizes.length === 0 || profileOf(state.spec.kernel).resize === 'none') continue;
    const mask = sizes.reduce((sum, size) => sum + size / 2 ** 20, 0);
    entries[`resource${bar.index}_resize`] = {
      kind: 'file',
      uid: device.uid,
      text: () => `${hex(mask, 16)}\n`,
      store: (data) => {
        const bit = kernelNumber(data, Number.MAX_SAFE_INTEGER);
        if (typeof bit === 'string') return failed('EINVAL');
        const work: Work = { do: 'resize', uid: device.uid, bar: bar.index, bit };
        return then({ do: 'lock', key: deviceLock(device.uid) }, work);
      },
    };
  }
  return entries;
}

/** The `resource` file: six BARs, the ROM, six of SR-IOV; for a bridge its windows behind them. */
function resourceText(device: Device): string {
  const line = (start: number, size: number, flags: number): string =>
    `0x${hex(start, 16)} 0x${hex(size === 0 ? 0 : start + size - 1, 16)} 0x${hex(flags, 16)}`;
  const lines = Array.from({ length: isBridge(device.spec) ? 17 : 13 }, (_, index) => {
    if (index === 15 && device.window) return line(device.window.start, device.window.size, 0x142208);
    const bar = device.bars.find((each) => each.index === index);
    return bar ? line(Math.max(bar.start, 0), bar.size, flagsNow(device, bar)) : line(0, 0, 0);
  });
  return `${lines.join('\n')}\n`;
}

/** Attributes of a physical function (drivers/pci/iov.c). */
export function sriovAttributes(state: MachineState, device: Device): Record<string, Node> {
  const { uid } = device;
  const capability = device.spec.sriov;
  if (!capability) return {};
  const entries: Record<string, Node> = {
    sriov_totalvfs: text(() => `${capability.totalVfs}\n`),
    sriov_numvfs: {
      kind: 'file',
      uid,
      readLock: deviceLock(uid),
      text: () => `${device.numVfs}\n`,
      store: (data) => {
        const count = kernelNumber(data, 0xffff);
        // Whatever kstrtou16 says, the answer is EINVAL.
        if (typeof count === 'string') return failed('EINVAL');
        if (count > capability.totalVfs) return failed('ERANGE');
        return then({ do: 'lock', key: deviceLock(uid) }, { do: 'numvfs', uid, count });
      },
    },
    sriov_offset: text(() => `${capability.offset}\n`),
    sriov_stride: text(() => `${capability.stride}\n`),
    sriov_vf_device: text(() => `${capability.vfDevice}\n`),
    sriov_drivers_autoprobe: {
      kind: 'file',
      uid,
      text: () => `${device.vfAutoprobe ? 1 : 0}\n`,
      store: (data) => {
        const value = kernelBoolean(data);
        if (value === undefined) return failed('EINVAL');
        device.vfAutoprobe = value;
        return done;
      },
    },
  };
  for (let index = 0; index < device.numVfs; index += 1) {
    const vf = state.devices[vfAddress(device.spec.address, capability, index)];
    if (vf && vf.unlinked !== true) entries[`virtfn${index}`] = link(devicePath(state, vf));
  }
  return entries;
}
