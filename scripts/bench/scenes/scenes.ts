import type { Scene } from '../scene.ts';
import { card } from './card.ts';
import { crowds } from './crowds.ts';
import { manyCards } from './many-cards.ts';
import { moreFunctions } from './more-functions.ts';
import { simulated } from './simulated.ts';

/** Everything that is measured, in the order of the table. */
export const scenes: readonly Scene[] = [card, moreFunctions, ...manyCards, ...crowds, simulated];
