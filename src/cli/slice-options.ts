import { randomUUID } from 'node:crypto';
import type { PciAddress } from '../pci/address.ts';
import { parsePciAddress } from '../pci/address.ts';
import type { SliceRequest } from '../engine/slices.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import { AUTO, MDEV_TYPE, parseParent } from '../pci/mdev.ts';
import { isVgpuName, isVgpuParams } from '../pci/vgpu.ts';
import { quoteName } from '../text.ts';
import type { Call, OptionSpec } from './command.ts';
import { selectionOptions } from './selection.ts';

/** The options that ask for slices of cards: virtual functions, whichever are free, and mediated devices. */
export const sliceOptions: readonly OptionSpec[] = [
  {
    name: 'vf',
    value: 'CARD',
    repeated: true,
    about: 'a free virtual function of this card, made as sriov in config.yaml says if there are none',
  },
  {
    name: 'vgpu',
    value: 'TYPE',
    about:
      'vGPU type, by number or name, for virtual functions that stay on the driver nvidia; with ,name=value for parameters',
  },
  {
    name: 'mdev',
    value: 'TYPE',
    repeated: true,
    about: 'a new mediated device of this type, by its id or name: vfio-hook mdev lists them',
  },
  {
    name: 'parent',
    value: 'PARENT',
    about: 'what mediated devices are made of: an address, or auto (the default) for one with room',
  },
];

/** Reads them. Throws VH_USAGE. */
export function readSlices({ lists, options }: Call): SliceRequest {
  const slices = (lists.get('vf') ?? []).map(readCard);
  const text = options.get('vgpu');
  const types = lists.get('mdev') ?? [];
  const parent = readParent(options.get('parent'), types);
  return {
    slices,
    ...(typeof text === 'string' && { vgpu: readVgpu(text) }),
    mdevs: types.map((type) => ({ uuid: randomUUID(), parent, type: readType(type) })),
  };
}

/** What is detached goes back one by one, and mediated devices by themselves. Throws VH_USAGE. */
export function refuseMixture({ operands, options, lists }: Call): void {
  if (!lists.has('mdev')) return;
  const others = [
    ...(operands.length > 0 ? ['ADDRESS'] : []),
    ...['vf', 'vgpu', 'bar', 'driver', ...selectionOptions.map(({ name }) => name)]
      .filter((name) => options.has(name) || lists.has(name))
      .map((name) => `--${name}`),
  ];
  if (others.length === 0) return;
  throw usage(
    `${others.join(' and ')} and --mdev do not go together`,
    'detach mediated devices in a call of their own',
  );
}

function readType(text: string): string {
  if (MDEV_TYPE.test(text)) return text;
  throw usage(
    `${quoteName(text)} is no type of mediated devices`,
    'write its id or its name: vfio-hook mdev lists them',
  );
}

function readParent(text: string | true | undefined, types: readonly string[]): string {
  if (typeof text !== 'string') return AUTO;
  if (types.length === 0) throw usage('--parent is for --mdev', 'write --mdev TYPE --parent PARENT');
  const parent = text === AUTO ? AUTO : parseParent(text);
  if (parent !== undefined) return parent;
  throw usage(
    `${quoteName(text)} is no parent of mediated devices`,
    'write an address such as 0000:00:02.0, or auto: vfio-hook mdev lists them',
  );
}

function readCard(text: string): PciAddress {
  const card = parsePciAddress(text);
  if (card) return card;
  throw usage(
    `${quoteName(text)} is no PCI address of a card`,
    'write it as lspci -D prints it: 0000:02:00.0',
  );
}

/** `1152`, `NVIDIA L40S-8Q`, `L40S-8Q,frame_rate_limiter=0`. */
function readVgpu(text: string): NonNullable<SliceRequest['vgpu']> {
  const [word = '', ...settings] = text.split(',');
  const params = settings.join(',');
  const isNumber = /^[1-9]\d{0,8}$/.test(word);
  if (!isNumber && !isVgpuName(word))
    throw usage(
      `${quoteName(word)} is no vGPU type`,
      'write its number or its name: vfio-hook vgpu lists them',
    );
  if (params !== '' && !isVgpuParams(params))
    throw usage(`${quoteName(params)} are no parameters of a vGPU`, `write ${word},frame_rate_limiter=0`);
  return { type: isNumber ? Number(word) : word, ...(params !== '' && { params }) };
}

function usage(message: string, hint: string): VfioHookError {
  return new VfioHookError('VH_USAGE', message, { hints: [advice(hint)] });
}
