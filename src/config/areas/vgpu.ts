import * as v from 'valibot';
import { parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { isVgpuName, isVgpuParams, VGPU_NAME, VGPU_PARAMS } from '../../pci/vgpu.ts';
import { ADDRESS, closed, expected, read, wholeNumber } from '../forms.ts';

const vf = read<PciAddress | 'auto'>({
  what: 'no virtual function',
  write: 'an address "0000:41:00.4" in quotes, or auto',
  pattern: new RegExp(`^(?:${ADDRESS}|auto)$`),
  reader: (text) => (text === 'auto' ? text : parsePciAddress(text)),
  description:
    'The virtual function, by its PCI address; auto: the one that the guest is assigned and no other entry names.',
});

const pf = read({
  what: 'no card',
  write: 'an address "0000:41:00.0" in quotes',
  pattern: new RegExp(`^(?:${ADDRESS})$`),
  reader: parsePciAddress,
  description: 'With vf: auto, the card that it belongs to; absent: any.',
});

const type = v.union(
  [
    wholeNumber({ least: 1, most: 0xffffffff, description: 'Number of the vGPU type.', or: 'a name or ' }),
    read({
      what: 'no name of a vGPU type',
      write: 'a name such as "NVIDIA L40S-8Q", or a number',
      pattern: VGPU_NAME,
      reader: (text) => (isVgpuName(text) ? text : undefined),
      description: 'Name of the vGPU type, such as NVIDIA L40S-8Q; NVIDIA in front may be left out.',
    }),
  ],
  expected('the name of a vGPU type such as "NVIDIA L40S-8Q", or its number'),
);

const params = read({
  what: 'no parameters of a vGPU',
  write: 'name=value, several with a comma in between: "frame_rate_limiter=0,disable_vnc=1"',
  pattern: VGPU_PARAMS,
  reader: (text) => (isVgpuParams(text) ? text : undefined),
  description:
    'Parameters that the driver is told for this vGPU (vgpu_params), such as frame_rate_limiter=0.',
});

/** vGPUs of NVIDIA cards whose virtual functions stay on NVIDIA's driver. */
export const vgpu = v.pipe(
  v.array(
    v.pipe(
      closed({
        vf,
        pf: v.exactOptional(pf),
        type: v.pipe(type, v.description('What lives on it while the guest runs.')),
        params: v.exactOptional(params),
      }),
      v.forward(
        v.check(
          (rule) => rule.vf === 'auto' || rule.pf === undefined,
          'only with vf: auto, an address says which card it is',
        ),
        ['pf'],
      ),
    ),
    expected('a list (each entry begins with "-")'),
  ),
  v.checkItems(
    (rule, index, all) => all.findIndex((each) => each.vf === rule.vf && each.pf === rule.pf) === index,
    'this virtual function is in the list already: it is one vGPU',
  ),
  v.description(
    "vGPUs of NVIDIA cards whose virtual functions stay on NVIDIA's driver (branch 550 and later), made for the time that the guest runs.",
  ),
);
