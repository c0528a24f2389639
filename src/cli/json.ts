import { safeJson } from '../text.ts';

/** JSON as every command prints it: indented, and with nothing in it that could drive a terminal. */
export function jsonText(value: unknown, unicode = true): string {
  const text = safeJson(JSON.stringify(value, null, 2));
  return unicode
    ? text
    : text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
