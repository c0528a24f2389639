import type { Image } from './image.ts';

/**
 * The card with a resizable BAR 2 at 08:00: a graphics card with an audio function, the device alone, or two of it
 * as two functions whose BARs share a bridge window. Beside the first there can be a disk controller with SR-IOV; not
 * always, since with two of them chance decides which one the kernel calls nvme0. `none`: nor is there any other display
 * device, so that the one with the boot console is the only one.
 */
export type Card = 'graphics' | 'graphics and sliced disk' | 'plain' | 'two BARs' | 'none';

const graphics = [
  'rebar-gpu,bus=rp7,addr=0x0.0,vendor=0x10de,device=0x2684,class=0x0300,multifunction=on',
  ...['ich9-intel-hda,id=hda1,bus=rp7,addr=0x0.1', 'hda-duplex,bus=hda1.0,audiodev=silent'],
];

const sliced = 'sriov_max_vfs=3,sriov_vq_flexible=6,sriov_vi_flexible=3';

const cards: Readonly<Record<Card, readonly string[]>> = {
  graphics,
  // 0b:00.0: what a virtual function of it is to do would have to be given first, so the host's driver fails on it.
  'graphics and sliced disk': [
    ...graphics,
    'pcie-root-port,id=rp10,bus=pcie.0,chassis=10,slot=10,addr=0x7',
    'nvme-subsys,id=subsystem',
    `nvme,serial=slices,bus=rp10,subsys=subsystem,max_ioqpairs=8,msix_qsize=9,${sliced}`,
  ],
  plain: ['rebar-gpu,bus=rp7,addr=0x0.0'],
  'two BARs': ['rebar-gpu,bus=rp7,addr=0x0.0,multifunction=on', 'rebar-gpu,bus=rp7,addr=0x0.1'],
  none: [],
};

/**
 * What starts the machine. With `BIOS` the kernel has the text console of VGA; with `UEFI`, as on nearly every host of
 * today, a frame buffer of the firmware's, and starting takes twice as long.
 */
export type Firmware = 'BIOS' | 'UEFI';

/** What a boot needs to know besides the fixed topology. */
export interface MachineParts {
  readonly card: Card;
  readonly firmware: Firmware;
  readonly image: Image;
  /** The directory that the lab sees as /share, read and write. */
  readonly share: string;
  /** 64 MiB file behind the NVMe disk; never written. */
  readonly nvme: string;
  /** More kernel parameters. */
  readonly append: string;
}

const parameters = [
  ...['console=ttyS0', 'quiet', 'panic=-1', 'random.trust_cpu=on', 'mitigations=off', 'nmi_watchdog=0'],
  // On a busy machine the kernel's timer self-test can miss its ticks and panic.
  ...['no_timer_check', 'intel_iommu=on'],
  // The emulated timer of the second processor can lose a one-shot interrupt, and that processor then sleeps for ever
  // ("Possible timer handling issue on cpu=1"). A periodic tick goes on with the next one.
  ...['highres=off', 'nohz=off'],
];

/** A root port of the first six, seven with the resizable BAR's: functions of slot 4, each its own IOMMU group. */
const rootPorts = [1, 2, 3, 4, 5, 6, 7].map((n) =>
  device(`pcie-root-port,id=rp${n},bus=pcie.0,chassis=${n},slot=${n},addr=0x4.${n - 1}`, n === 1),
);

function device(description: string, multifunction = false): string {
  return multifunction ? `${description},multifunction=on` : description;
}

/**
 * The devices of the lab, in the order in which the kernel numbers their buses. test/lab/guest/topology.ts has the
 * same list from the guest's side.
 */
const devices = [
  ...rootPorts,
  // 01:00.0 display on bochs-drm, 01:00.1 audio: the card that has the boot console.
  device('VGA,id=gpu0,bus=rp1,addr=0x0.0,vgamem_mb=16', true),
  ...['ich9-intel-hda,id=hda0,bus=rp1,addr=0x0.1', 'hda-duplex,bus=hda0.0,audiodev=silent'],
  // 02:00.0 network card with SR-IOV.
  'igb,bus=rp2,netdev=n0',
  // 03:00.0 disk.
  'nvme,serial=lab,drive=nvme,bus=rp3',
  // 04:00.0 bridge; 05:01.0 and 05:02.0 behind it are in its group.
  ...[
    'pcie-pci-bridge,id=br1,bus=rp4',
    'e1000,bus=br1,addr=1,netdev=n1',
    'AC97,bus=br1,addr=2,audiodev=silent',
  ],
  // 06:00.0 USB controller with the keyboard, 07:00.0 network card: groups of one.
  ...['qemu-xhci,id=xhci,bus=rp5', 'usb-kbd,bus=xhci.0', 'e1000e,bus=rp6,netdev=n2'],
  // Root ports without ACS, functions of one slot: they share a group with 09:00.0 and 0a:00.0 behind them.
  device('ioh3420,id=rp8,bus=pcie.0,chassis=8,slot=8,addr=0x5.0', true),
  'ioh3420,id=rp9,bus=pcie.0,chassis=9,slot=9,addr=0x5.1',
  ...['e1000e,bus=rp8,netdev=n3', 'qemu-xhci,id=xhci2,bus=rp9'],
];

/** A display device that nobody drives. */
const secondDisplay = 'virtio-gpu-pci,bus=pcie.0,addr=0x6';

/** QEMU's arguments for the machine of the lab: pure emulation, so that neither KVM nor a device of this machine is used. */
export function machineArguments({
  card,
  firmware,
  image,
  share,
  nvme,
  append,
}: MachineParts): readonly string[] {
  const own = card === 'none' ? [] : [secondDisplay, ...cards[card]];
  const networks = [0, 1, 2, 3].flatMap((n) => ['-netdev', `user,id=n${n},restrict=on`]);
  return [
    // Five-level paging costs time for nothing under emulation.
    ...['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'max,la57=off', '-smp', '2', '-m', '3072'],
    ...['-machine', 'q35,hpet=off', '-device', 'intel-iommu,intremap=on'],
    // The default 64-bit window is too small for a BAR of 16 GiB.
    ...['-global', 'q35-pcihost.pci-hole64-size=64G'],
    ...['-nodefaults', '-display', 'none', '-vga', 'none', '-no-reboot', '-serial', 'stdio'],
    ...(firmware === 'UEFI' ? ['-bios', 'OVMF.fd'] : []),
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', [...parameters, append].join(' ')],
    ...['-drive', `file=${image.disk},if=none,id=root,format=raw,snapshot=on,cache=unsafe`],
    ...['-device', 'virtio-blk-pci,drive=root,bus=pcie.0,addr=0x2'],
    ...['-fsdev', `local,id=share,path=${share},security_model=none`],
    ...['-device', 'virtio-9p-pci,fsdev=share,mount_tag=share,bus=pcie.0,addr=0x3'],
    ...['-drive', `file=${nvme},if=none,id=nvme,format=raw,snapshot=on`],
    ...['-audiodev', 'none,id=silent', ...networks],
    ...[...devices, ...own].flatMap((description) => ['-device', description]),
  ];
}
