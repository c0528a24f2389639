import { join } from 'node:path';
import { startPlainHost } from '../files/plain-host.ts';
import { guestWith } from '../guest.ts';
import { hookCalls } from '../hook-calls.ts';
import { CARD, cardWithFunctions } from '../machines.ts';
import type { OpenScene, Scene } from '../scene.ts';

const MORE = 4;
const FEW = { prepare: 'prepare of two functions', release: 'release of two functions' };
const MANY = { prepare: 'prepare of more functions', release: 'release of more functions' };

/** What one more function in a group costs: a card of two against one of six. */
export const moreFunctions: Scene = {
  plainHost: true,
  share: 0.5,
  rows: [
    {
      what: 'one more function in a group adds to a prepare',
      against: 'without',
      measure: 'CPU',
      of: MANY.prepare,
      less: FEW.prepare,
      per: MORE,
      aim: 4,
    },
    {
      what: 'one more function in a group adds to a release',
      against: 'without',
      measure: 'CPU',
      of: MANY.release,
      less: FEW.release,
      per: MORE,
      aim: 4,
    },
  ],
  async open(hook, directory): Promise<OpenScene> {
    const calls = async (
      more: number,
    ): Promise<ReturnType<typeof hookCalls> & { readonly stop: () => Promise<void> }> => {
      const host = await startPlainHost({ spec: cardWithFunctions(more) }, join(directory, String(more)));
      const functions = Array.from({ length: 2 + more }, (_, index) => `${CARD}.${index}`);
      return { ...hookCalls(hook, guestWith(functions), host), stop: host.stop };
    };
    const [few, many] = [await calls(0), await calls(MORE)];
    return {
      forms: [
        few.prepare(FEW.prepare),
        few.release(FEW.release),
        many.prepare(MANY.prepare),
        many.release(MANY.release),
      ],
      close: async () => {
        await few.stop();
        await many.stop();
      },
    };
  },
};
