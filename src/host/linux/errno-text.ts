import { constants } from 'node:os';
import { errnoOfText } from '../../errno.ts';

/**
 * The errno name for the text at the end of a message of coreutils, uutils or grep; the text itself when it is none
 * that is known, EIO for no text at all. Rust's library appends ` (os error 13)` to the C library's text, and some
 * of uutils' messages are words of their own before it (`Permission denied`, `permission denied`): the number decides.
 */
export function errnoFromMessage(message: string): string {
  const line = message.trim().split('\n').pop() ?? '';
  const number = /\(os error (\d+)\)$/.exec(line)?.[1];
  const byNumber = number === undefined ? undefined : errnoOfNumber(Number(number));
  if (byNumber !== undefined) return byNumber;
  const text = line.split(': ').pop() ?? '';
  return errnoOfText(text) ?? (text === '' ? 'EIO' : text);
}

/** Numbers that Node does not name (include/uapi/asm-generic/errno.h, include/linux/errno.h). */
const more: Readonly<Record<number, string>> = {
  87: 'EUSERS',
  116: 'ESTALE',
  121: 'EREMOTEIO',
  524: 'ENOTSUPP',
};

/** Aliases of numbers that Node lists, too: the other name is the usual one. */
const ALIASES: readonly string[] = ['EWOULDBLOCK', 'ENOTSUP'];

function errnoOfNumber(number: number): string | undefined {
  const [name] =
    Object.entries(constants.errno).find(([each, value]) => value === number && !ALIASES.includes(each)) ??
    [];
  return name ?? more[number];
}
