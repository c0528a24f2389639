import type { Stated } from '../../claim/hold.ts';
import { advice } from '../../hint.ts';
import type { Meeting, Refusal } from '../kind.ts';

/**
 * Why a wish cannot be had that is another one's already, and otherwise: a function is for one guest. `words` says what is
 * wished, `instead` what to do.
 */
export function wishedOtherwise<Wanted extends Stated>(
  { wish, others }: Pick<Meeting<Stated, Wanted>, 'wish' | 'others'>,
  words: (wish: Wanted) => string,
  instead: string,
): Refusal | undefined {
  const other = others.find(({ settled, wish: theirs }) => settled && words(theirs) !== words(wish));
  return other && { reason: `${other.owner} has it ${words(other.wish)}`, hints: [advice(instead)] };
}
