import type { Row } from './contract.ts';
import { bind, driver, open, override, reads, set, unbind } from './words.ts';

const type = (role: 'vf0' | 'vf1' | 'nic', id: number): ReturnType<typeof set> =>
  set(role, 'nvidia/current_vgpu_type', `${id}\n`);
const list = (role: 'vf0' | 'vf1' | 'nic', ...lines: readonly string[]): ReturnType<typeof reads> =>
  reads(role, 'nvidia/creatable_vgpu_types', ['ID    : vGPU Name', ...lines].join('\n'));
const read = (name: string): { readonly read: string } => ({ read: `{dev vf0}/nvidia/${name}` });
const lock = '/proc/driver/nvidia/gpus/{gpu}/unbindLock';

/**
 * NVIDIA's own VFIO framework and vGPU host driver, as reports and their sources describe them (docs/kernel-notes.md): no
 * machine of the lab has one. `gpu` is the card, `vf0`, `vf1` and `nic` are virtual functions of it.
 */
export const vgpuRows: readonly Row[] = [
  {
    id: 'V1',
    name: 'a list has a header, and shrinks to the size that there is already',
    setup: [],
    operation: type('vf0', 1155),
    expect: 'ok',
    after: [
      reads('vf0', 'nvidia/current_vgpu_type', '1155'),
      list('vf0'),
      list('vf1', '1155  : NVIDIA L40S-24Q'),
    ],
  },
  {
    id: 'V2',
    name: 'on a full card it is the header alone, and another vGPU is EIO',
    setup: [type('vf0', 1155), type('vf1', 1155)],
    operation: type('nic', 1155),
    expect: 'EIO',
    after: [list('nic'), reads('nic', 'nvidia/current_vgpu_type', '0')],
  },
  {
    id: 'V3',
    name: 'a type of another size is EIO',
    setup: [type('vf0', 1152)],
    operation: type('vf1', 1153),
    expect: 'EIO',
  },
  {
    id: 'V4',
    name: 'a type becomes another one only by way of 0',
    setup: [type('vf0', 1152)],
    operation: type('vf0', 1153),
    expect: 'EBUSY',
    then: [
      { operation: type('vf0', 0), expect: 'ok' },
      {
        operation: type('vf0', 1153),
        expect: 'ok',
        after: [reads('vf0', 'nvidia/current_vgpu_type', '1153')],
      },
    ],
  },
  {
    id: 'V5',
    name: 'while a guest has it, 0 is EPERM',
    setup: [type('vf0', 1152), open('a', 'vf0')],
    operation: type('vf0', 0),
    expect: 'EPERM',
    then: [
      { operation: { closeGroup: 'a' }, expect: 'ok' },
      { operation: type('vf0', 0), expect: 'ok' },
    ],
  },
  {
    id: 'V6',
    name: 'without a type there is nothing to open',
    setup: [],
    operation: open('a', 'vf0'),
    expect: 'EIO',
  },
  ...['gpu_instance_id', 'placement_id'].map((name): Row => ({
    id: `V7 ${name}`,
    name: `${name} cannot be read without a vGPU`,
    setup: [],
    operation: read(name),
    expect: 'ENXIO',
    then: [
      { operation: type('vf0', 1152), expect: 'ok' },
      { operation: read(name), expect: 'ok' },
    ],
  })),
  {
    id: 'V8',
    name: 'parameters are for a vGPU that is there, and go with it',
    setup: [],
    operation: set('vf0', 'nvidia/vgpu_params', 'disable_vnc=1\n'),
    expect: 'ENXIO',
    then: [
      { operation: type('vf0', 1152), expect: 'ok' },
      {
        operation: set('vf0', 'nvidia/vgpu_params', 'disable_vnc=1,frame_rate_limiter=0\n'),
        expect: 'ok',
        after: [reads('vf0', 'nvidia/vgpu_params', 'disable_vnc=1,frame_rate_limiter=0')],
      },
      { operation: set('vf0', 'nvidia/vgpu_params', 'nonsense\n'), expect: 'EINVAL' },
      { operation: type('vf0', 0), expect: 'ok', after: [reads('vf0', 'nvidia/vgpu_params', '')] },
    ],
  },
  {
    id: 'V9',
    name: 'a virtual function that was taken from nvidia is lost, also when it is there again',
    setup: [unbind('nvidia', 'vf0'), bind('nvidia', 'vf0')],
    operation: type('vf0', 1152),
    expect: 'EIO',
    after: [driver('vf0', 'nvidia')],
  },
  {
    id: 'V10',
    name: 'vfio-pci does not take it',
    setup: [{ load: 'vfio-pci' }, override('vf0', 'vfio-pci'), unbind('nvidia', 'vf0')],
    operation: bind('vfio-pci', 'vf0'),
    expect: 'EINVAL',
  },
  {
    id: 'V11',
    name: 'the card makes no virtual functions by sriov_numvfs',
    setup: [],
    operation: set('gpu', 'sriov_numvfs', '0'),
    expect: 'ENOENT',
  },
  {
    id: 'V12',
    name: 'the unbind lock is given when nobody has the card open, and keeps everybody from it',
    setup: [],
    operation: { write: lock, data: '1\n' },
    expect: 'ok',
    after: [{ text: lock, is: '1' }],
    then: [
      { operation: { holdNode: 'gpu' }, expect: 'ENODEV' },
      { operation: { write: lock, data: '0\n' }, expect: 'ok', after: [{ text: lock, is: '0' }] },
      { operation: { holdNode: 'gpu' }, expect: 'ok' },
      { operation: { write: lock, data: '1\n' }, expect: 'ok', after: [{ text: lock, is: '0' }] },
    ],
  },
  {
    id: 'V13',
    name: 'nor while there is a vGPU on it',
    setup: [type('vf0', 1152)],
    operation: { write: lock, data: '1\n' },
    expect: 'ok',
    after: [{ text: lock, is: '0' }],
  },
];
