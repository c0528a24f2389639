import type { MachineSpec } from '../../simulator/spec.ts';

/** Makers as pci.ids names them. */
const VENDORS: Readonly<Record<string, string>> = {
  '1002': 'Advanced Micro Devices, Inc. [AMD/ATI]',
  '1022': 'Advanced Micro Devices, Inc. [AMD]',
  '1028': 'Dell',
  '102b': 'Matrox Electronics Systems Ltd.',
  '1043': 'ASUSTeK Computer Inc.',
  '10b5': 'PLX Technology, Inc.',
  '10de': 'NVIDIA Corporation',
  '10ec': 'Realtek Semiconductor Co., Ltd.',
  '12d8': 'Pericom Semiconductor',
  '13f6': 'C-Media Electronics Inc',
  '144d': 'Samsung Electronics Co Ltd',
  '1458': 'Gigabyte Technology Co., Ltd',
  '1462': 'Micro-Star International Co., Ltd. [MSI]',
  '15b3': 'Mellanox Technologies',
  '15b7': 'Sandisk Corp',
  '15d9': 'Super Micro Computer Inc',
  '1a03': 'ASPEED Technology, Inc.',
  '1da2': 'Sapphire Technology Limited',
  '8086': 'Intel Corporation',
};

/** A pci.ids with the names that a machine's description gives its devices, so that none of the host is needed. */
export function pciIdsOf({ devices }: MachineSpec): string {
  const used = new Set(devices.flatMap(({ vendor, subsystemVendor }) => [vendor, subsystemVendor]));
  const lines = [...used].sort().flatMap((vendor) => {
    const maker = VENDORS[vendor];
    if (maker === undefined) return [];
    const models = new Map(
      devices.flatMap((device) =>
        device.vendor === vendor && device.name !== undefined ? [[device.device, device.name] as const] : [],
      ),
    );
    return [`${vendor}  ${maker}`, ...[...models].sort().map(([id, name]) => `\t${id}  ${name}`)];
  });
  return `${lines.join('\n')}\n`;
}

/** The machine with such a pci.ids installed. */
export function withNames(spec: MachineSpec): MachineSpec {
  return { ...spec, files: { ...spec.files, '/usr/share/misc/pci.ids': pciIdsOf(spec) } };
}
