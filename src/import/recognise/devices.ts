import { parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { byKey, itself, stays, type Recogniser, type Verdict } from '../verdict.ts';

const MOVED = 'devices of the XML move by themselves, with all that shares their IOMMU groups, and back';

/** Moves devices between drivers, resets them, changes their BARs. */
export const devices: Recogniser = ({ name, args, write, phase }, { assigned }) => {
  if (name === 'virsh') {
    const verb = args.find((arg) => arg?.startsWith('nodedev-') === true);
    if (verb === undefined || !/^nodedev-(?:detach|dettach|reattach|reset)$/.test(verb)) {
      return stays('no key calls libvirt; from a hook it hangs when libvirt starts the guest with the host');
    }
    const device = parsePciAddress(args.find((arg) => arg?.startsWith('pci_')) ?? '');
    return device && assigned && !assigned.has(device)
      ? stays(`the XML does not assign ${device}: add it there, then it moves by itself`)
      : itself(MOVED);
  }
  const path = write?.path ?? '';
  if (!path.includes('/sys/bus/pci/') && !path.includes('/sys/devices/pci')) return undefined;
  if (/\/(?:unbind|bind|driver_override|new_id|remove_id|drivers_probe)$/.test(path)) return itself(MOVED);
  const device = deviceIn(path);
  const bar = /\/resource(\d)_resize$/.exec(path)?.[1];
  if (bar !== undefined) {
    if (phase === 'end') return itself('the size from before comes back by itself');
    const bit = Number(write?.value);
    if (!device || write?.value === undefined || !Number.isInteger(bit)) return stays(UNCLEAR);
    return byKey({ key: 'bars', device, bar: Number(bar), bit });
  }
  if (path.endsWith('/reset')) {
    if (phase === 'end') return itself('VFIO resets a device when its guest ends');
    return device ? byKey({ key: 'between', device }) : stays(UNCLEAR);
  }
  if (/\/(?:remove|rescan)$/.test(path)) {
    return stays(
      'a device that is taken off the bus while vfio-hook holds it loses what it was: do without it if you can',
    );
  }
  if (/\/(?:reset_method|d3cold_allowed|power\/control)$/.test(path)) {
    return stays(
      'the keys reset, d3cold and power of a rule do that for the time of the guest: configuration.md',
    );
  }
  return undefined;
};

const UNCLEAR = 'which device, or what, cannot be told without running it';

/** The last address in a path: a device lies below its bridges. */
function deviceIn(path: string): PciAddress | undefined {
  const found = path.match(/[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]/gi) ?? [];
  return parsePciAddress(found.at(-1) ?? '');
}

/** Loads kernel modules and takes them out. */
export const modules: Recogniser = ({ name, args, phase }): Verdict | undefined => {
  if (name !== 'modprobe' && name !== 'rmmod' && name !== 'insmod') return undefined;
  const named = args.filter((arg) => arg?.startsWith('-') !== true).map((arg) => arg?.replaceAll('-', '_'));
  const removes = name === 'rmmod' || args.some((arg) => /^-\w*r|^--remove$/.test(arg ?? ''));
  if (named.length > 0 && named.every((each) => /^(?:vfio(?:_\w+)?|irqbypass)$/.test(each ?? ''))) {
    return itself(
      removes ? 'vfio modules stay: other guests may use them' : 'loaded by itself when it is not there',
    );
  }
  if (named.length > 0 && named.every((each) => HOST_DRIVER.test(each ?? ''))) {
    return itself(
      removes || phase === 'begin'
        ? 'only the devices of the guest leave their drivers; modules need not go'
        : 'the driver from before gets its devices back by itself',
    );
  }
  const names = named.flatMap((each) => each ?? []);
  if (names.some((each) => each.includes('=')))
    return stays('no key gives a module parameters: files in /etc/modprobe.d do');
  if (removes) return stays('no key removes this module');
  if (names.length < named.length || names.length === 0) return stays(UNCLEAR);
  return byKey({ key: 'modules', load: names.filter((each) => /^\w{1,64}$/.test(each)) });
};

/** Drivers of what is usually passed through. */
const HOST_DRIVER =
  /^(?:nvidia\w*|nouveau|amdgpu|radeon|i915|xe|i2c_nvidia_gpu|ucsi_ccg|snd_hda_intel|snd_hda_codec\w*|drm\w*|ttm|ipmi_devintf|ipmi_msghandler|xhci_(?:pci|hcd)|nvme|gpu_sched|video)$/;
