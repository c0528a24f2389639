import { safeJson } from '../text.ts';

/** JSON as every command prints it: indented, and with nothing in it that could drive a terminal. */
export function jsonText(value: unknown): string {
  return safeJson(JSON.stringify(value, null, 2));
}
