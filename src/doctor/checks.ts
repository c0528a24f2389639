import { staleClaims, damagedClaims } from './claims.ts';
import { configuration } from './config.ts';
import { appArmor, seLinux } from './confinement.ts';
import { hookNoticed, libvirtVersion, recoverUnit } from './daemon.ts';
import { isolatedCpus } from './cpus.ts';
import { deviceReset } from './device-reset.ts';
import { boundAtBoot, driverctl } from './drivers.ts';
import type { Check } from './examination.ts';
import { blockedWrites, deviceAnswers, guestConflicts, guestPlans } from './guests.ts';
import { guestScripts } from './guest-scripts.ts';
import { hookExecutable, hookInstalled, hookOwner, hookParts, programs } from './hook.ts';
import { acsOverride, interruptRemapping, iommu, noIommuMode } from './iommu.ts';
import { kernelFaults, lockdown, vfioModules } from './kernel.ts';
import { hugepages } from './memory.ts';
import { mergedDrivers, physicalFunctionPower, vgpuDriver, vgpuWithUsb } from './merged-drivers.ts';
import { node } from './node.ts';
import { nvidiaHolders } from './nvidia.ts';
import { hookScripts, otherHooks } from './other-hooks.ts';
import { virtualFunctions } from './sriov.ts';
import { vgpuServices, vgpuSizes } from './vgpu.ts';

/** Every check of `vfio-hook doctor`, by its id, in the order in which they are shown. docs/doctor.md has each. */
export const checks = {
  iommu,
  'interrupt-remapping': interruptRemapping,
  'no-iommu-mode': noIommuMode,
  'acs-override': acsOverride,
  'vfio-modules': vfioModules,
  kernel: kernelFaults,
  lockdown,
  'hook-installed': hookInstalled,
  'hook-executable': hookExecutable,
  'hook-owner': hookOwner,
  'hook-parts': hookParts,
  'hook-noticed': hookNoticed,
  'other-hooks': otherHooks,
  'hook-scripts': hookScripts,
  'guest-scripts': guestScripts,
  node,
  programs,
  apparmor: appArmor,
  selinux: seLinux,
  libvirt: libvirtVersion,
  'recover-unit': recoverUnit,
  configuration,
  claims: staleClaims,
  'damaged-claims': damagedClaims,
  'blocked-writes': blockedWrites,
  guests: guestPlans,
  'guest-conflicts': guestConflicts,
  hugepages,
  'isolated-cpus': isolatedCpus,
  'boot-bound': boundAtBoot,
  driverctl,
  'device-answers': deviceAnswers,
  'device-reset': deviceReset,
  'nvidia-holders': nvidiaHolders,
  'vgpu-driver': vgpuDriver,
  'vgpu-usb': vgpuWithUsb,
  'vgpu-services': vgpuServices,
  'vgpu-sizes': vgpuSizes,
  'sriov-power': physicalFunctionPower,
  'sriov-functions': virtualFunctions,
  'merged-drivers': mergedDrivers,
} as const satisfies Readonly<Record<string, Check>>;
