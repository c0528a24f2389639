import { advice, command } from '../../hint.ts';
import type { GraphicsCard, GraphicsHost } from '../../pci/graphics.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Refusal } from '../kind.ts';

const INTEL = '8086';
const NVIDIA = '10de';

/**
 * Device ids of the graphics that GVT-g knows: Broadwell, Skylake, Broxton, Kaby Lake, Coffee Lake, Comet Lake
 * (drivers/gpu/drm/i915/intel_gvt.c:is_supported_device, include/drm/intel/pciids.h). Ice Lake and everything later are not
 * among them.
 */
const GVT_G = /^(?:16|19|59|3e|9b(?:[ac][0-9a-f]|21|41))[0-9a-f]{0,2}$|^(?:0a84|1a8[45]|5a8[45]|87c[0a])$/;

/** What keeps GVT-g from a card of i915, and what its module could change. */
export type GvtState = { readonly kind: 'loadable' } | { readonly kind: 'never'; readonly refusal: Refusal };

/** Whether kvmgt would make a card of Intel's a parent of mediated devices, as far as that can be told before. */
export function gvtState({ device, driver }: GraphicsCard, kernel: GraphicsHost): GvtState {
  const never = (reason: string, ...hints: Refusal['hints']): GvtState => ({
    kind: 'never',
    refusal: { reason, hints },
  });
  if (driver === 'xe')
    return never(
      'its driver xe makes no mediated devices: GVT-g is i915’s, and xe has virtual functions in its place',
    );
  if (!GVT_G.test(device))
    return never(
      `GVT-g knows Broadwell to Comet Lake only, and no graphics of Ice Lake or later: this one is ${INTEL}:${device}`,
      advice(
        'newer graphics have virtual functions (SR-IOV), where their driver offers them: see vfio-hook groups',
      ),
    );
  if (driver !== 'i915')
    return never(
      driver === '' ? 'it has no driver, and GVT-g is i915’s' : `it is on ${driver}, and GVT-g is i915’s`,
    );
  if (kernel.enableGvt !== 'Y')
    return never(
      'i915 was loaded without enable_gvt=1, which nothing can change later',
      advice('add i915.enable_gvt=1 to the kernel command line, and restart the host'),
    );
  // Bit 0: submission; bit 1 is only for video (i915_params.c). Of these cards none has it by default.
  if (Number(kernel.enableGuc) > 0 && (Number(kernel.enableGuc) & 1) === 1)
    return never(
      `i915 was loaded with enable_guc=${kernel.enableGuc}, and GVT-g does not go together with GuC submission`,
      advice('take enable_guc=1 (or 3) of i915 out of the kernel command line, and restart the host'),
    );
  switch (kernel.kvmgt) {
    case 'absent':
      return never(
        'this kernel has no module kvmgt',
        advice('install a kernel with CONFIG_DRM_I915_GVT_KVMGT, such as those of Debian'),
      );
    case 'loadable':
      return { kind: 'loadable' };
    case 'loaded':
      return never(
        'kvmgt is loaded, and still i915 offers nothing of this card',
        command('dmesg | grep -i gvt'),
      );
  }
}

/** Why a card is no parent of mediated devices. */
export function noTypes(card: GraphicsCard, kernel: GraphicsHost): Refusal {
  if (card.vendor === INTEL) {
    const state = gvtState(card, kernel);
    if (state.kind === 'never') return state.refusal;
    return {
      reason: 'kvmgt is not loaded, which is done for the first guest that needs it',
      hints: [command('modprobe kvmgt')],
    };
  }
  if (card.vendor === NVIDIA) return noTypesOfNvidia(card, kernel);
  if (card.driver === 'amdgpu')
    return {
      reason:
        'its driver amdgpu has no mediated devices, in no version: AMD shares cards by virtual functions of its driver gim',
      hints: [advice('a card of AMD is for one guest as a whole, or needs MxGPU: see vfio-hook groups')],
    };
  return {
    reason: `its driver ${card.driver === '' ? '(none)' : card.driver} makes no mediated devices`,
    hints: [],
  };
}

function noTypesOfNvidia(
  { address, driver, totalVfs, numVfs, hasVendorFramework }: GraphicsCard,
  { vgpuKvm }: GraphicsHost,
): Refusal {
  if (driver !== 'nvidia')
    return {
      reason:
        driver === ''
          ? 'it has no driver'
          : `it is on ${driver}, and only NVIDIA’s vGPU driver makes mediated devices`,
      hints: [],
    };
  if (vgpuKvm === '0')
    return {
      reason: 'its driver was loaded with vgpukvm=0, which turns vGPU off',
      hints: [
        advice(
          'take nvidia.vgpukvm=0 out of the kernel command line and of /etc/modprobe.d, and load the driver again',
        ),
      ],
    };
  if (hasVendorFramework)
    return {
      reason:
        'this version of its driver has no mediated devices, but vGPU types of virtual functions (vendor-specific VFIO, branch 17 and later)',
      hints: [advice("in its place assign the virtual function itself, with managed='no'")],
    };
  if (totalVfs > 0 && numVfs === 0)
    return {
      reason: 'its mediated devices are made of its virtual functions, and it has none',
      hints: [command(`/usr/lib/nvidia/sriov-manage -e ${address}`)],
    };
  return {
    reason: 'its driver offers none: it is the ordinary driver, or its services have not told it the types',
    hints: [command('systemctl status nvidia-vgpud nvidia-vgpu-mgr'), command(`ls ${sysfs.mdevParents}`)],
  };
}
