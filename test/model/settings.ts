import { guest } from '../scenario.ts';
import {
  cardConfig,
  cardMachine,
  FUNCTIONS,
  guestOf,
  guestWith,
  machine,
  PARENT_CARD,
  parentCardConfig,
  parentCardMachine,
  parentConfig,
  parentMachine,
  poolConfig,
  poolMachine,
  SLICES,
  VGPU_FUNCTIONS,
  vgpuConfig,
  vgpuMachine,
} from './cut-down.ts';
import type { Bounds, Setting } from './world.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const NIC = '0000:05:00.0';
const AUDIO = '0000:0f:00.1';
const USB = '0000:0f:00.3';

const none: Bounds = {
  daemonDeaths: 0,
  deaths: 0,
  hangs: 0,
  recoveries: 0,
  reboots: 0,
  lockTimeouts: 0,
};

/** The lives that are explored, each with other bounds. */
const lives = {
  /** One guest that is started twice. */
  alone: {
    name: 'one guest, twice',
    machine: machine('6.12', [GPU, SOUND]),
    guests: { A: [guest('A', GPU), guest('A', GPU)] },
  },
  /** Two guests of which each is assigned one function of the same card. */
  brief: {
    name: 'two guests, one group',
    machine: machine('6.12', [GPU, SOUND]),
    guests: { A: [guest('A', GPU)], B: [guest('B', SOUND)] },
  },
  oneGroup: {
    name: 'two guests, one group, A twice',
    machine: machine('6.12', [GPU, SOUND]),
    guests: { A: [guest('A', GPU), guest('A', GPU)], B: [guest('B', SOUND)] },
  },
  overlapping: {
    name: 'two guests, overlapping groups',
    machine: machine('6.12', [AUDIO, USB, NIC]),
    guests: { A: [guest('A', AUDIO, USB)], B: [guest('B', USB, NIC)] },
  },
  disjoint: {
    name: 'two guests, disjoint groups',
    isForAll: true,
    machine: machine('6.12', [AUDIO, USB]),
    guests: { A: [guest('A', AUDIO)], B: [guest('B', USB)] },
  },
  /** Both need a parameter of the host's that is on as long as one of them has its devices. */
  sharing: {
    name: 'two guests, disjoint groups, one parameter',
    isForAll: true,
    machine: machine('6.12', [AUDIO, USB], { interruptRemapping: false }),
    guests: { A: [guest('A', AUDIO)], B: [guest('B', USB)] },
    config: { allowUnsafeInterrupts: true },
  },
  /** Two cards, which are handed over side by side. */
  cards: {
    name: 'one guest, two cards',
    machine: machine('6.12', [AUDIO, NIC]),
    guests: { A: [guest('A', AUDIO, NIC)] },
  },
  cardsTwice: {
    name: 'one guest, two cards, twice',
    machine: machine('6.12', [AUDIO, NIC]),
    guests: { A: [guest('A', AUDIO, NIC), guest('A', AUDIO, NIC)] },
  },
  /** B is assigned everything that A is at one of its starts. */
  changing: {
    name: 'A’s devices change, B has both',
    machine: machine('6.12', [AUDIO, USB]),
    guests: { A: [guest('A', AUDIO), guest('A', USB)], B: [guest('B', AUDIO, USB)] },
  },
  changingAlone: {
    name: 'one guest, its devices change',
    machine: machine('6.12', [AUDIO, USB]),
    guests: { A: [guest('A', AUDIO), guest('A', USB)] },
  },
  /** Nothing in that kernel keeps a host driver from a group that a guest has open, and reading an override may wait. */
  oldKernel: {
    name: 'two guests, one group, Linux 5.15',
    machine: machine('5.15', [GPU, SOUND]),
    guests: { A: [guest('A', GPU)], B: [guest('B', SOUND)] },
  },
  /** What each of them needs is on top of what was there, and of what the other one needs. */
  pool: {
    name: 'two guests, one pool of huge pages',
    isForAll: true,
    machine: poolMachine(),
    guests: { A: [guestOf('A', 2)], B: [guestOf('B', 3)] },
    config: poolConfig,
  },
  /** It needs another number when it is started again, and then none. */
  poolChanging: {
    name: 'one guest, its huge pages change',
    machine: poolMachine(),
    guests: { A: [guestOf('A', 2), guestOf('A', 1), guestOf('A', 0)] },
    config: poolConfig,
  },
  /** The virtual function is there only once a start has made it. */
  made: {
    name: 'one guest, a virtual function that is made for it, twice',
    machine: cardMachine(),
    guests: { A: [guest('A', FUNCTIONS[0]), guest('A', FUNCTIONS[0])] },
    config: cardConfig,
  },
  madeOnce: {
    name: 'one guest, a virtual function that is made for it',
    machine: cardMachine(),
    guests: { A: [guest('A', FUNCTIONS[0])] },
    config: cardConfig,
  },
  /** The other virtual function, and then none. */
  madeChanging: {
    name: 'one guest, its virtual function changes',
    machine: cardMachine(),
    guests: { A: [guest('A', FUNCTIONS[0]), guest('A', FUNCTIONS[1]), guest('A')] },
    config: cardConfig,
  },
  /** Made with the first of them, and gone with the last. */
  functions: {
    name: 'two guests, one card, a virtual function each',
    isForAll: true,
    machine: cardMachine(),
    guests: { A: [guest('A', FUNCTIONS[0])], B: [guest('B', FUNCTIONS[1])] },
    config: cardConfig,
  },
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
    machine: vgpuMachine(),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0]), guest('A', VGPU_FUNCTIONS[0])] },
    config: vgpuConfig,
  },
  /** On the other virtual function, and then none. */
  vgpuChanging: {
    name: 'one guest, its vGPU changes',
    machine: vgpuMachine(),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0]), guest('A', VGPU_FUNCTIONS[1]), guest('A')] },
    config: vgpuConfig,
  },
  vgpuEach: {
    name: 'two guests, one card, a vGPU each',
    isForAll: true,
    machine: vgpuMachine(),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0])], B: [guest('B', VGPU_FUNCTIONS[1])] },
    config: vgpuConfig,
  },
  sameVgpu: {
    name: 'two guests, the same vGPU',
    machine: vgpuMachine(),
    guests: { A: [guest('A', VGPU_FUNCTIONS[0])], B: [guest('B', VGPU_FUNCTIONS[0])] },
    config: vgpuConfig,
  },
} as const;

/** One of the lives with these bounds; what is left out never happens. */
export function setting(life: keyof typeof lives, bounds: Partial<Bounds> = {}): Setting {
  return { ...lives[life], bounds: { ...none, ...bounds } };
}

/** What `npm test` explores. */
export const reduced: readonly Setting[] = [
  setting('alone', { deaths: 1, daemonDeaths: 1 }),
  setting('alone', { deaths: 1, reboots: 1 }),
  setting('oldKernel', { recoveries: 1 }),
  setting('brief', { lockTimeouts: 1, daemonDeaths: 1 }),
  setting('overlapping'),
  setting('disjoint'),
  setting('sharing'),
  setting('cards', { hangs: 1 }),
  setting('changingAlone', { daemonDeaths: 1, recoveries: 1 }),
  setting('pool'),
  setting('poolChanging', { deaths: 1, daemonDeaths: 1 }),
  setting('made', { deaths: 1, recoveries: 1 }),
  setting('madeOnce', { deaths: 1, hangs: 1 }),
  setting('madeChanging', { deaths: 1 }),
  setting('functions'),
];

/** What `npm run test:model` explores. */
export const full: readonly Setting[] = [
  setting('alone', { deaths: 2, daemonDeaths: 1, recoveries: 1 }),
  setting('alone', { deaths: 1, recoveries: 1, reboots: 1 }),
  setting('alone', { deaths: 2, hangs: 1 }),
  setting('alone', { deaths: 1, hangs: 1, recoveries: 1 }),
  setting('brief', { deaths: 1, daemonDeaths: 1, recoveries: 1 }),
  setting('brief', { deaths: 2, lockTimeouts: 1 }),
  setting('brief', { recoveries: 1, reboots: 1 }),
  setting('oneGroup', { daemonDeaths: 1, recoveries: 1 }),
  setting('oldKernel', { deaths: 1, hangs: 1 }),
  setting('overlapping', { deaths: 1, recoveries: 1 }),
  setting('overlapping', { daemonDeaths: 1, lockTimeouts: 1, recoveries: 1 }),
  setting('disjoint', { deaths: 1 }),
  setting('disjoint', { recoveries: 1 }),
  setting('sharing', { deaths: 1 }),
  setting('sharing', { recoveries: 1 }),
  setting('sharing', { daemonDeaths: 1, lockTimeouts: 1 }),
  setting('changing', { daemonDeaths: 1 }),
  setting('changingAlone', { deaths: 1, daemonDeaths: 1, recoveries: 1 }),
  setting('changingAlone', { daemonDeaths: 1, recoveries: 1, reboots: 1 }),
  setting('cards', { deaths: 1, hangs: 1, recoveries: 1 }),
  setting('cards', { hangs: 2 }),
  setting('cardsTwice', { deaths: 1, daemonDeaths: 1 }),
  setting('pool', { deaths: 1 }),
  setting('pool', { recoveries: 1 }),
  setting('pool', { daemonDeaths: 1, lockTimeouts: 1 }),
  setting('pool', { hangs: 1 }),
  setting('poolChanging', { deaths: 1, daemonDeaths: 1, recoveries: 1 }),
  setting('made', { deaths: 2, daemonDeaths: 1, recoveries: 1 }),
  setting('made', { deaths: 1, recoveries: 1, reboots: 1 }),
  setting('made', { deaths: 1, hangs: 1, recoveries: 1 }),
  setting('madeChanging', { deaths: 1, daemonDeaths: 1, recoveries: 1 }),
  setting('functions', { deaths: 1 }),
  setting('functions', { recoveries: 1 }),
  setting('functions', { daemonDeaths: 1, lockTimeouts: 1 }),
  setting('functions', { hangs: 1 }),
];
