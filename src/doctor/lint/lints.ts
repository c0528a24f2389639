import { pciHostdevs } from '../../domain/domain.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { unknown } from '../finding.ts';
import { companions, devicesPresent, multifunction, rom } from './card.ts';
import { amdCode43, nvidiaCode43 } from './code-43.ts';
import { functions } from './functions.ts';
import { gpuDirect } from './gpudirect.ts';
import { intelBars } from './intel-arc.ts';
import { kvmfr } from './kvmfr.ts';
import { commandline, iommufd, machine, managed, nvmePath, variantDriver } from './libvirt.ts';
import { gvtGuest, mdevKnown } from './mdev.ts';
import { memoryLock, mmio32, mmio64 } from './memory.ts';
import { vgpuHostdev } from './vgpu.ts';

/** A check that finds nothing because this host lacks the devices has seen nothing. */
function withDevices(check: Check<GuestExamination>): Check<GuestExamination> {
  return {
    ...check,
    run: async (on) => {
      const result = await check.run(on);
      const isMissing = pciHostdevs(on.domain).some(({ address }) => !on.devices.has(address));
      if (!isMissing || !('verdict' in result) || result.verdict !== 'ok') return result;
      return unknown('this cannot be told without the devices, which this host does not have');
    },
  };
}

/** Every piece of advice of `vfio-hook lint`, by its id, in the order in which they are shown. docs/doctor.md has each. */
export const lints = {
  'xml-devices': devicesPresent,
  'xml-companions': withDevices(companions),
  'xml-multifunction': multifunction,
  'xml-rom': rom,
  'xml-code-43-nvidia': withDevices(nvidiaCode43),
  'xml-code-43-amd': withDevices(amdCode43),
  'xml-intel-bars': withDevices(intelBars),
  'xml-managed': managed,
  'xml-variant': withDevices(variantDriver),
  'xml-vgpu': withDevices(vgpuHostdev),
  'xml-commandline': commandline,
  'xml-kvmfr': kvmfr,
  'xml-nvme-path': nvmePath,
  'xml-iommufd': iommufd,
  'xml-mdev': mdevKnown,
  'xml-gvt-g': gvtGuest,
  'xml-machine': withDevices(machine),
  'xml-memory-lock': memoryLock,
  'xml-mmio-32': withDevices(mmio32),
  'xml-mmio-64': withDevices(mmio64),
  'xml-gpudirect': withDevices(gpuDirect),
  'xml-functions': functions,
} as const satisfies Readonly<Record<string, Check<GuestExamination>>>;
