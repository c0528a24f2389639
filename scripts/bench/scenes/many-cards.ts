import { join } from 'node:path';
import { startPlainHost } from '../files/plain-host.ts';
import { guestWith } from '../guest.ts';
import { hookCalls } from '../hook-calls.ts';
import { eightCards } from '../machines.ts';
import { simulatedMachine } from '../simulated-machine.ts';
import type { Form, OpenScene, Scene } from '../scene.ts';
import type { Row } from '../table.ts';

const ONE = { prepare: 'prepare of one card', release: 'release of one card' };
const ALL = { prepare: 'prepare of eight cards', release: 'release of eight cards' };

const UNBIND_MS = 300;
const WHAT = `8 cards x 4 functions, ${UNBIND_MS} ms an unbind`;

function rows(where: string): Row[] {
  return (['prepare', 'release'] as const).map((call) => ({
    what: `${call}, ${WHAT}${where}`,
    against: 'one such card',
    measure: 'time',
    of: ALL[call],
    by: ONE[call],
    aim: 1.25,
  }));
}

/** Calls for one of the cards and for all of them, on the machine that they are told of. */
function formsOf(
  calls: (cards: readonly string[]) => ReturnType<typeof hookCalls>,
  boot?: Form['before'],
): Form[] {
  const { cards } = eightCards();
  const [one, all] = [calls(cards.slice(0, 1)), calls(cards)];
  const first = boot && { before: boot };
  return [
    { ...one.prepare(ONE.prepare), ...first },
    one.release(ONE.release),
    { ...all.prepare(ALL.prepare), ...first },
    all.release(ALL.release),
  ];
}

function guestOf(cards: readonly string[]): ReturnType<typeof guestWith> {
  return guestWith(cards.flatMap((card) => [0, 1, 2, 3].map((number) => `${card}.${number}`)));
}

/** Each driver takes its time to let go, as one of a card with much memory does. */
const SLOW = { on: 'remove', path: '*', times: 'always', effect: { kind: 'slow', ms: UNBIND_MS } } as const;

/** Nearly all of it is waiting, so that few rounds tell. */
const LONG = { share: 1 / 15, warmUps: 0 };

/** A server's cards. */
export const manyCards: readonly Scene[] = [
  {
    ...LONG,
    plainHost: true,
    rows: rows(''),
    async open(hook, directory): Promise<OpenScene> {
      const host = await startPlainHost({ spec: eightCards().spec, faults: [SLOW] }, join(directory, 'host'));
      return { forms: formsOf((cards) => hookCalls(hook, guestOf(cards), host)), close: host.stop };
    },
  },
  {
    ...LONG,
    plainHost: false,
    rows: rows(', simulated machine'),
    open(hook, directory): Promise<OpenScene> {
      const machine = simulatedMachine(eightCards().spec, join(directory, 'machine'), [SLOW]);
      const forms = formsOf((cards) => hookCalls(hook, guestOf(cards), machine), machine.boot);
      return Promise.resolve({ forms, close: () => Promise.resolve() });
    },
  },
];
