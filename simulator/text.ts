/**
 * How the kernel reads what is written to an attribute. One write(2) is one call of the attribute's store
 * function with a NUL-terminated buffer (fs/kernfs/file.c:kernfs_fop_write_iter).
 */

/** What a store function that works on C strings sees: everything before the first NUL. */
export function cString(data: string): string {
  const end = data.indexOf('\0');
  return end === -1 ? data : data.slice(0, end);
}

/** A name as sysfs_streq compares it: exact, with at most one newline at its end (lib/string_helpers.c). */
export function writtenName(data: string): string {
  const text = cString(data);
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

/**
 * An unsigned number as kstrtoull reads it with base 0 (lib/kstrtox.c): `0x` hexadecimal, a leading 0 octal,
 * else decimal; one `+` before and one newline behind are allowed.
 * Returns `EINVAL` for any other text and `ERANGE` for a number over `max`.
 */
export function kernelNumber(data: string, max: number): number | 'EINVAL' | 'ERANGE' {
  const text = writtenName(data).replace(/^\+/, '');
  const [digits, base] = /^0x[0-9a-f]+$/i.test(text)
    ? [text.slice(2), 16]
    : /^0[0-7]*$/.test(text)
      ? [text, 8]
      : /^[1-9][0-9]*$/.test(text)
        ? [text, 10]
        : ['', 10];
  if (digits === '') return 'EINVAL';
  const value = parseInt(digits, base);
  return value > max ? 'ERANGE' : value;
}

/** A number as kstrtoul reads it with base 10 (lib/kstrtox.c): one `+` before and one newline behind are allowed. */
export function decimalNumber(data: string): number | 'EINVAL' | 'ERANGE' {
  const text = writtenName(data).replace(/^\+/, '');
  if (!/^\d+$/.test(text)) return 'EINVAL';
  const value = Number(text);
  return value > Number.MAX_SAFE_INTEGER ? 'ERANGE' : value;
}

/** A truth value as kstrtobool reads it (lib/kstrtox.c); undefined where it answers EINVAL. */
export function kernelBoolean(data: string): boolean | undefined {
  const text = data.toLowerCase();
  if (/^[y1t]/.test(text) || text.startsWith('on')) return true;
  if (/^[n0f]/.test(text) || text.startsWith('of')) return false;
  return undefined;
}

/** A number in hexadecimal with leading zeros. */
export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** Whether a text fits a pattern in which `*` stands for any characters, also none. */
export function matchesPattern(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}
