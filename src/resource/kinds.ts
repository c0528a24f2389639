import type { HoldKind } from '../claim/hold.ts';
import type { KindOf, ResourceKind } from './kind.ts';
import { console } from './display/console.ts';
import { framebuffer } from './display/framebuffer.ts';
import { mdev } from './mdev/mdev.ts';
import { module } from './modules/module.ts';
import { vfioModules } from './modules/vfio-modules.ts';
import { persistence } from './nvidia/persistence.ts';
import { vfMac } from './sriov/vf-mac.ts';
import { vfResource } from './sriov/vf-resource.ts';
import { vf } from './sriov/vf.ts';
import { vfs } from './sriov/vfs.ts';
import { unit } from './services/unit.ts';
import { cpus } from './tuning/cpus.ts';
import { frequency } from './tuning/frequency.ts';
import { hugepages } from './tuning/hugepages.ts';
import { irq } from './tuning/irq.ts';
import { parameter } from './tuning/parameter.ts';
import { vgpu } from './vgpu/vgpu.ts';

/** Every kind. One that is missing does not compile. */
export const kinds: { readonly [K in HoldKind]: KindOf<K> } = {
  unit,
  console,
  framebuffer,
  persistence,
  module,
  'vfio-modules': vfioModules,
  vfs,
  vf,
  'vf-mac': vfMac,
  'vf-resource': vfResource,
  vgpu,
  mdev,
  hugepages,
  cpus,
  irq,
  frequency,
  parameter,
};

/** A kind for code that treats all of them alike. */
export function kindOf(kind: HoldKind): ResourceKind {
  return kinds[kind];
}
