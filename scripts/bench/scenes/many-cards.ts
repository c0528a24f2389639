import { join } from 'node:path';
import { startPlainHost } from '../files/plain-host.ts';
import { guestWith } from '../guest.ts';
import { hookCalls } from '../hook-calls.ts';
import { eightCards } from '../machines.ts';
import type { OpenScene, Scene } from '../scene.ts';

const ONE = { prepare: 'prepare of one card', release: 'release of one card' };
const ALL = { prepare: 'prepare of eight cards', release: 'release of eight cards' };
const WHAT = '8 cards x 4 functions, 300 ms an unbind';

/** A server's cards, whose drivers take their time: as a driver of a card with much memory does. */
export const manyCards: Scene = {
  plainHost: true,
  share: 1 / 15,
  warmUps: 0,
  rows: [
    {
      what: `prepare, ${WHAT}`,
      against: 'one such card',
      measure: 'time',
      of: ALL.prepare,
      by: ONE.prepare,
      aim: 1.25,
    },
    {
      what: `release, ${WHAT}`,
      against: 'one such card',
      measure: 'time',
      of: ALL.release,
      by: ONE.release,
      aim: 1.25,
    },
  ],
  async open(hook, directory): Promise<OpenScene> {
    const { spec, cards } = eightCards();
    const slow = { on: 'remove', path: '*', times: 'always', effect: { kind: 'slow', ms: 300 } } as const;
    const host = await startPlainHost({ spec, faults: [slow] }, join(directory, 'host'));
    const calls = (some: readonly string[]): ReturnType<typeof hookCalls> =>
      hookCalls(
        hook,
        guestWith(some.flatMap((card) => [0, 1, 2, 3].map((number) => `${card}.${number}`))),
        host,
      );
    const [one, all] = [calls(cards.slice(0, 1)), calls(cards)];
    return {
      forms: [
        one.prepare(ONE.prepare),
        one.release(ONE.release),
        all.prepare(ALL.prepare),
        all.release(ALL.release),
      ],
      close: host.stop,
    };
  },
};
