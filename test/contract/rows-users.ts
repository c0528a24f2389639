import type { Row } from './contract.ts';
import { driver, unbind } from './words.ts';

const DISPLAY = '/sys/module/bochs/refcnt';
const SOUND = '/sys/module/snd_hda_intel/refcnt';

/** Whose use of a module an open node is (src/pci/open-counts.ts): row 78. */
export const userRows: readonly Row[] = [
  ...(
    [
      ['a', 'display driver, its console included,', DISPLAY],
      ['b', 'sound driver', SOUND],
    ] as const
  ).map(([letter, what, count]): Row => ({
    id: `78${letter}`,
    name: `the module of a ${what} has no user while none of its nodes is open`,
    setup: [],
    operation: { read: count },
    expect: 'ok',
    after: [{ text: count, is: '0' }],
  })),
  ...(
    [
      ['c', 'a card', 'gpu', DISPLAY, {}],
      ['d', 'a frame buffer', 'gpu', DISPLAY, { node: 'fb' }],
      ['e', 'a sound card’s control', 'gpuAudio', SOUND, {}],
      ['f', 'a sound card’s stream', 'gpuAudio', SOUND, { node: 'pcm' }],
      ['g', 'a sound card’s codec', 'gpuAudio', SOUND, { node: 'hw' }],
    ] as const
  ).map(([letter, what, role, count, which]): Row => ({
    id: `78${letter}`,
    name: `it has one while ${what} is open`,
    setup: [],
    operation: { holdNode: role, ...which },
    expect: 'ok',
    after: [{ text: count, is: '1' }],
    then: [
      {
        operation: { releaseNode: role, ...which },
        expect: 'ok',
        after: [{ text: count, is: '0', soon: true }],
      },
    ],
  })),
  {
    id: '78h',
    name: 'whoever has a node open of a card that went is a user still',
    setup: [{ holdNode: 'gpu' }],
    operation: unbind('bochs-drm', 'gpu'),
    expect: 'ok',
    after: [driver('gpu', null), { text: DISPLAY, is: '1' }],
    then: [
      { operation: { releaseNode: 'gpu' }, expect: 'ok', after: [{ text: DISPLAY, is: '0', soon: true }] },
    ],
  },
];
