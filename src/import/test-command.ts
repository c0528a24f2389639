import { phaseOf, type Phase } from './moment.ts';
import { libvirtMoments } from '../script-places.ts';
import { OPERATION, SUB_OPERATION } from './variables.ts';

/** What a condition of a script comes to: undefined where only a run would tell. */
export interface Truth {
  readonly truth: boolean | undefined;
  /** It asks for libvirt's operation: behind it, the guest begins or ends. */
  readonly phase?: Phase;
}

export const UNKNOWN: Truth = { truth: undefined };

/** Evaluates the words of `[ … ]`, `[[ … ]]` or `test …`, without the brackets. */
export function evaluate(words: readonly (string | undefined)[]): Truth {
  if (words[0] === '!') {
    const { truth } = evaluate(words.slice(1));
    return { truth: truth === undefined ? undefined : !truth };
  }
  const [left, operator, right] = words;
  if (words.length === 2 && operator !== undefined) {
    if (left === '-n') return { truth: operator !== '' };
    if (left === '-z') return { truth: operator === '' };
  }
  if (words.length !== 3 || left === undefined || right === undefined) return UNKNOWN;
  if (operator === '=' || operator === '==') return compare(left, right);
  if (operator !== '!=') return UNKNOWN;
  const { truth } = compare(left, right);
  return { truth: truth === undefined ? undefined : !truth };
}

/** Whether a text is one of a pattern, as in `case` and in `[[ … == … ]]`. */
export function compare(left: string, right: string): Truth {
  const [asked, pattern] = left.startsWith('\u0001') ? [left, right] : [right, left];
  if (asked.startsWith(OPERATION)) {
    const operation = /^[a-z]+/.exec(pattern)?.[0] ?? '';
    return Object.hasOwn(libvirtMoments, operation)
      ? { truth: undefined, phase: phaseOf(operation) }
      : UNKNOWN;
  }
  if (asked.startsWith(SUB_OPERATION)) return UNKNOWN;
  return { truth: glob(right).test(left) };
}

function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's');
}

/** Several conditions, joined by `&&` or by `||`. */
export function join(truths: readonly Truth[], by: 'and' | 'or'): Truth {
  const phase = truths.find((each) => each.phase !== undefined)?.phase;
  const decisive = by === 'or';
  const truth = truths.some((each) => each.truth === decisive)
    ? decisive
    : truths.some((each) => each.truth === undefined)
      ? undefined
      : !decisive;
  return { truth, ...(phase !== undefined && { phase }) };
}
