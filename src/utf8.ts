import { isUtf8, type Buffer } from 'node:buffer';

/** The text, without a byte order mark; undefined for bytes that are no UTF-8. What a decoder of the Web's does, at once. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString();
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
