/**
 * Adds the last key of a claim file, `checksum`, to the text of a JSON object as encodeClaim writes it: the
 * CRC-32 (IEEE 802.3, as of gzip) of the text without it, in eight hexadecimal digits. One wrong bit can make
 * another device's address or another boot's id, and all of it would still read as a claim.
 */
export function withChecksum(text: string): string {
  return `${text.slice(0, -END.length)},\n "checksum": "${crc32(text)}"${END}`;
}

/** Whether the text is, to the last bit, what {@link withChecksum} made; the newline at its end may be missing. */
export function isIntact(text: string): boolean {
  const match = /,\n "checksum": "([0-9a-f]{8})"\n\}\n?$/.exec(text);
  return match !== null && crc32(text.slice(0, match.index) + END) === match[1];
}

const END = '\n}\n';

/** The polynomial of CRC-32, lowest bit first. */
const POLYNOMIAL = 0xedb88320;

function crc32(text: string): string {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
}
