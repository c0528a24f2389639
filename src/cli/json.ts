/** JSON as every command prints it: indented, and with nothing in it that could drive a terminal. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    // JSON escapes C0 only: DEL, C1, and the marks that turn the writing direction are left to us.
    /[\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
