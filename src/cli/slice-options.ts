import type { PciAddress } from '../pci/address.ts';
import { parsePciAddress } from '../pci/address.ts';
import type { SliceRequest } from '../engine/slices.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import { isVgpuName, isVgpuParams } from '../pci/vgpu.ts';
import { quoteName } from '../text.ts';
import type { Call, OptionSpec } from './command.ts';

/** The options that ask for virtual functions, whichever are free. */
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
];

/** Reads them. Throws VH_USAGE. */
export function readSlices({ lists, options }: Call): SliceRequest {
  const slices = (lists.get('vf') ?? []).map(readCard);
  const text = options.get('vgpu');
  return {
    slices,
    ...(typeof text === 'string' && { vgpu: readVgpu(text) }),
  };
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
