/** The devices of the lab by what they are for; test/lab/host/machine.ts makes them. */
export const devices = {
  /** Root disk and share: taking one away ends the lab. */
  rootDisk: '0000:00:02.0',
  share: '0000:00:03.0',
  /** The card with the boot console. */
  consoleGpu: '0000:01:00.0',
  consoleAudio: '0000:01:00.1',
  /** SR-IOV, up to seven virtual functions. */
  igb: '0000:02:00.0',
  nvme: '0000:03:00.0',
  /** A conventional bridge; the next two are behind it and in its group. */
  bridge: '0000:04:00.0',
  bridgeNic: '0000:05:01.0',
  bridgeSound: '0000:05:02.0',
  usb: '0000:06:00.0',
  nic: '0000:07:00.0',
  /** Graphics card with a resizable BAR 2 and no host driver, and its audio function. */
  gpu: '0000:08:00.0',
  gpuAudio: '0000:08:00.1',
  /** Root ports without ACS; the two after them are behind them and in their group. */
  port1: '0000:00:05.0',
  port2: '0000:00:05.1',
  portNic: '0000:09:00.0',
  portUsb: '0000:0a:00.0',
  /** Only in the series `slices`: a disk controller with up to three virtual functions. */
  slicedDisk: '0000:0b:00.0',
} as const;

/** The IOMMU groups that matter, each sorted. Numbers are not stable, memberships are. */
export const groups: readonly (readonly string[])[] = [
  [devices.consoleGpu, devices.consoleAudio],
  [devices.igb],
  [devices.nvme],
  [devices.bridge, devices.bridgeNic, devices.bridgeSound],
  [devices.usb],
  [devices.nic],
  [devices.gpu, devices.gpuAudio],
  [devices.port1, devices.port2, devices.portNic, devices.portUsb],
];

/** The modules of the host drivers; there is no udev that would load them. */
export const hostModules = [
  'bochs',
  'snd_hda_intel',
  'igb',
  'nvme',
  'e1000',
  'snd_intel8x0',
  'xhci_pci',
  'e1000e',
];

/** The driver of each device once they are loaded. */
export const hostDrivers: ReadonlyMap<string, string | undefined> = new Map([
  [devices.consoleGpu, 'bochs-drm'],
  [devices.consoleAudio, 'snd_hda_intel'],
  [devices.igb, 'igb'],
  [devices.nvme, 'nvme'],
  [devices.bridge, undefined],
  [devices.bridgeNic, 'e1000'],
  [devices.bridgeSound, 'snd_intel8x0'],
  [devices.usb, 'xhci_hcd'],
  [devices.nic, 'e1000e'],
  [devices.gpu, undefined],
  [devices.gpuAudio, 'snd_hda_intel'],
  [devices.port1, 'pcieport'],
  [devices.port2, 'pcieport'],
  [devices.portNic, 'e1000e'],
  [devices.portUsb, 'xhci_hcd'],
]);
