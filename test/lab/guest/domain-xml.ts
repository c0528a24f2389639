/** A host device as it is assigned in a domain's XML. */
export type Assignment = Hostdev | NvmeDisk | HostdevInterface | MediatedDevice;

interface Assigned {
  readonly address: string;
  /** `managed` of the XML; default yes. */
  readonly managed?: boolean;
}

export interface Hostdev extends Assigned {
  readonly kind?: 'hostdev';
  /** Has the guest see the device at 00:10.0, where the boot sector looks for it. */
  readonly reported?: boolean;
}

export interface NvmeDisk extends Assigned {
  readonly kind: 'nvme';
}

export interface HostdevInterface extends Assigned {
  readonly kind: 'interface';
}

export interface MediatedDevice {
  readonly kind: 'mdev';
  readonly uuid: string;
}

/** Where a guest's serial port writes, and its disk. */
export function guestFiles(name: string): { readonly serial: string; readonly disk: string } {
  return { serial: `/run/lab/${name}.serial`, disk: `/run/lab/${name}.img` };
}

/** What a guest is besides its devices. */
export interface GuestSpec {
  /** Whether its memory is huge pages of the host's default size. */
  readonly hugepages?: boolean;
}

/** MiB of memory of every guest. */
export const guestMemory = 64;

/** A small domain that boots the boot sector, with these devices of the host. */
export function domainXml(
  name: string,
  assignments: readonly Assignment[],
  { hugepages = false }: GuestSpec = {},
): string {
  const { serial, disk } = guestFiles(name);
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>${guestMemory}</memory>${
    hugepages ? '\n  <memoryBacking><hugepages/></memoryBacking>' : ''
  }
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${disk}'/>
      <target dev='sda' bus='sata'/>
    </disk>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='${serial}'/></serial>
    <video><model type='none'/></video>
${assignments.map(assignmentXml).join('\n')}
  </devices>
</domain>
`;
}

function assignmentXml(assignment: Assignment): string {
  if (assignment.kind === 'mdev') {
    return `    <hostdev mode='subsystem' type='mdev' model='vfio-pci'>
      <source><address uuid='${assignment.uuid}'/></source>
    </hostdev>`;
  }
  const [domain, bus, slot, fn] = assignment.address.split(/[:.]/);
  const address = `domain='0x${domain}' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'`;
  const managed = assignment.managed === false ? 'no' : 'yes';
  if (assignment.kind === 'nvme') {
    return `    <disk type='nvme' device='disk'>
      <driver name='qemu' type='raw'/>
      <source type='pci' managed='${managed}' namespace='1'><address ${address}/></source>
      <target dev='vda' bus='virtio'/>
    </disk>`;
  }
  if (assignment.kind === 'interface') {
    return `    <interface type='hostdev' managed='${managed}'>
      <mac address='52:54:00:00:00:01'/>
      <source><address type='pci' ${address}/></source>
    </interface>`;
  }
  return `    <hostdev mode='subsystem' type='pci' managed='${managed}'>
      <source><address ${address}/></source>${
        assignment.reported === true
          ? `\n      <address type='pci' domain='0x0000' bus='0x00' slot='0x10' function='0x0'/>`
          : ''
      }
    </hostdev>`;
}
