/** The devices of the lab by what they are, as test/lab/guest/topology.ts and examples/hosts/lab-q35.yaml have them. */
export const addresses = {
  display: '0000:00:06.0',
  gpu: '0000:01:00.0',
  gpuAudio: '0000:01:00.1',
  igb: '0000:02:00.0',
  vf0: '0000:02:10.0',
  vf1: '0000:02:10.2',
  nvme: '0000:03:00.0',
  bridge: '0000:04:00.0',
  bridgeNic: '0000:05:01.0',
  bridgeAudio: '0000:05:02.0',
  usb: '0000:06:00.0',
  nic: '0000:07:00.0',
  rebar: '0000:08:00.0',
} as const;

/** A device that sequences play with. */
export interface PlayedDevice {
  readonly address: string;
  /** Its driver on the host; absent: it has none. */
  readonly driver?: string;
  /** How often it is chosen, relative to the others: bochs, igb and nvme take long to bind under emulation. */
  readonly weight: number;
}

/**
 * Everything in the lab but its disk and its share (00:02.0 and 00:03.0), the chipset and the root ports, which
 * the machine needs.
 */
export const playedDevices: readonly PlayedDevice[] = [
  { address: addresses.display, driver: 'virtio-pci', weight: 3 },
  { address: addresses.gpu, driver: 'bochs-drm', weight: 2 },
  { address: addresses.gpuAudio, driver: 'snd_hda_intel', weight: 2 },
  { address: addresses.igb, driver: 'igb', weight: 1 },
  { address: addresses.vf0, weight: 2 },
  { address: addresses.vf1, weight: 1 },
  { address: addresses.nvme, driver: 'nvme', weight: 2 },
  { address: addresses.bridge, weight: 4 },
  { address: addresses.bridgeNic, driver: 'e1000', weight: 4 },
  { address: addresses.bridgeAudio, driver: 'snd_intel8x0', weight: 4 },
  { address: addresses.usb, driver: 'xhci_hcd', weight: 2 },
  { address: addresses.nic, driver: 'e1000e', weight: 6 },
  { address: addresses.rebar, weight: 8 },
];

/** What is looked at: the devices above, and the virtual functions that igb can make (offset 0x80, stride 2). */
export const seenDevices: readonly string[] = [
  ...new Set([
    ...playedDevices.map(({ address }) => address),
    ...['10.0', '10.2', '10.4', '10.6', '11.0', '11.2', '11.4'].map((place) => `0000:02:${place}`),
  ]),
];

/** Modules that sequences load and unload, or that come and go with those. */
export const seenModules = [
  'e1000',
  'e1000e',
  'igb',
  'vfio',
  'vfio_iommu_type1',
  'vfio_pci',
  'vfio_pci_core',
];
