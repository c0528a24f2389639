import type { PciAddress } from '../pci/address.ts';

/** A libvirt guest as its XML describes it: only what matters for its assigned host devices. */
export interface Domain {
  readonly name: string;
  /**
   * Lower case, 8-4-4-4-12. Absent in XML that was written for `virsh define`, which makes one
   * (src/conf/domain_conf.c:virDomainDefParseIDs); a hook always gets one.
   */
  readonly uuid?: string;
  /** In document order. */
  readonly hostdevs: readonly Hostdev[];
  /** Memory that shall be in huge pages; absent when none shall. */
  readonly hugepages?: readonly HugepageNeed[];
  /** CPUs of the host that it is pinned to, in ascending order; absent: it may run on any. */
  readonly cpus?: readonly number[];
}

/** A part of a guest's memory that is in huge pages of one size: each of its NUMA nodes has pages of its own. */
export interface HugepageNeed {
  /** Bytes of one page; absent: the default size of the host. */
  readonly size?: number;
  /** Of memory. */
  readonly bytes: number;
}

/** A guest that libvirt has given a UUID. */
export type DefinedDomain = Domain & Required<Pick<Domain, 'uuid'>>;

/** One assigned host device as written in the XML. */
export type Hostdev = PciHostdev | MdevHostdev;

/** Which form of the XML assigns a PCI device. */
export type PciHostdevKind =
  /** `<hostdev mode='subsystem' type='pci'>` */
  | 'pci'
  /** `<interface type='hostdev'>`: a virtual function of a network card */
  | 'interface'
  /** `<interface type='network'>` whose `<actual type='hostdev'>` says which device libvirt chose */
  | 'network'
  /** `<disk type='nvme'>`, also as a mirror or a backing store */
  | 'nvme'
  /** `-device vfio-pci,host=…` in `<qemu:commandline>`: libvirt knows nothing of it */
  | 'commandline';

/** A PCI device by its host address. */
export interface PciHostdev {
  readonly kind: PciHostdevKind;
  readonly address: PciAddress;
  /** Whether libvirt detaches and reattaches the device itself (`managed='yes'`); always false for 'commandline'. */
  readonly managed: boolean;
  /** Driver that the XML asks for: `<driver model='…'/>` (libvirt 10.0 and later). */
  readonly model?: string;
  /** `<driver name='…'/>`, such as `vfio`. */
  readonly driver?: string;
  /** NVMe namespace, for kind 'nvme'. */
  readonly namespace?: number;
}

/** A mediated device by its UUID: nothing to bind, its parent stays on the host driver. */
export interface MdevHostdev {
  readonly kind: 'mdev';
  readonly uuid: string;
  /** Device API: `vfio-pci`, `vfio-ccw` or `vfio-ap`. */
  readonly model?: string;
  readonly managed: boolean;
}

/** The PCI devices among a guest's assigned devices, in document order. */
export function pciHostdevs(domain: Domain): PciHostdev[] {
  return domain.hostdevs.filter((hostdev): hostdev is PciHostdev => hostdev.kind !== 'mdev');
}

/** The mediated devices among them. */
export function mdevHostdevs(domain: Domain): MdevHostdev[] {
  return domain.hostdevs.filter((hostdev): hostdev is MdevHostdev => hostdev.kind === 'mdev');
}
