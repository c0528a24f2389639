import { guest } from '../scenario.ts';
import {
  guestWith,
  PARENT_CARD,
  parentCardConfig,
  parentCardMachine,
  parentConfig,
  parentMachine,
  SLICES,
  VGPU_FUNCTIONS,
  vgpuConfig,
  vgpuMachine,
} from './cut-down.ts';

/** Lives of guests that have a part of a card: mediated devices and vGPUs. */
export const sliceLives = {
  /** The mediated device is there only once a start has made it. */
  mediated: {
    name: 'one guest, a mediated device, twice',
    machine: parentMachine(2),
    guests: { A: [guestWith('A', SLICES[0]), guestWith('A', SLICES[0])] },
    config: parentConfig,
  },
  mediatedOnce: {
    name: 'one guest, a mediated device',
    machine: parentMachine(2),
    guests: { A: [guestWith('A', SLICES[0])] },
    config: parentConfig,
  },
  /** Another one, and then none. */
  mediatedChanging: {
    name: 'one guest, its mediated device changes',
    machine: parentMachine(2),
    guests: { A: [guestWith('A', SLICES[0]), guestWith('A', SLICES[1]), guestWith('A')] },
    config: parentConfig,
  },
  mediatedEach: {
    name: 'two guests, one parent, a mediated device each',
    isForAll: true,
    machine: parentMachine(2),
    guests: { A: [guestWith('A', SLICES[0])], B: [guestWith('B', SLICES[1])] },
    config: parentConfig,
  },
  /** The parent has room for the first of them only. */
  lastMediated: {
    name: 'two guests, one parent, one mediated device',
    machine: parentMachine(1),
    guests: { A: [guestWith('A', SLICES[0])], B: [guestWith('B', SLICES[1])] },
    config: parentConfig,
  },
  /** Their definitions say the same UUID, as a copy's does. */
  sameMediated: {
    name: 'two guests, the same mediated device',
    machine: parentMachine(2),
    guests: { A: [guestWith('A', SLICES[0])], B: [guestWith('B', SLICES[0])] },
    config: parentConfig,
  },
  /** B is assigned what the mediated device of A is made of. */
  parentCard: {
    name: 'a mediated device of a card, and the card',
    machine: parentCardMachine(),
    guests: { A: [guestWith('A', SLICES[0])], B: [guest('B', PARENT_CARD)] },
    config: parentCardConfig,
  },
  vgpu: {
    name: 'one guest, a vGPU, twice',
    machine: vgpuMachine(2),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0]), guest('A', VGPU_FUNCTIONS[0])] },
    config: vgpuConfig(2),
  },
  /** On the other virtual function, and then none. */
  vgpuChanging: {
    name: 'one guest, its vGPU changes',
    machine: vgpuMachine(2),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0]), guest('A', VGPU_FUNCTIONS[1]), guest('A')] },
    config: vgpuConfig(2),
  },
  vgpuEach: {
    name: 'two guests, one card, a vGPU each',
    isForAll: true,
    machine: vgpuMachine(2),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0])], B: [guest('B', VGPU_FUNCTIONS[1])] },
    config: vgpuConfig(2),
  },
  /** The card has room for the first of them only. */
  lastVgpu: {
    name: 'two guests, one card, one vGPU',
    machine: vgpuMachine(1),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0])], B: [guest('B', VGPU_FUNCTIONS[1])] },
    config: vgpuConfig(1),
  },
  sameVgpu: {
    name: 'two guests, the same vGPU',
    machine: vgpuMachine(2),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0])], B: [guest('B', VGPU_FUNCTIONS[0])] },
    config: vgpuConfig(2),
  },
} as const;
