import { guest } from '../scenario.ts';
import { cardConfig, cardMachine, FUNCTIONS, guestOf, machine, poolConfig, poolMachine } from './cut-down.ts';
import { sliceLives } from './slice-lives.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const NIC = '0000:05:00.0';
const AUDIO = '0000:0f:00.1';
const USB = '0000:0f:00.3';

/** The lives that are explored, each with other bounds. */
export const lives = {
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
  ...sliceLives,
} as const;
