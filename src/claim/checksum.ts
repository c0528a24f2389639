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

/**
 * What four bits do to the checksum, lowest bit first. As numbers: making a table, of these or of all 256 values of a byte,
 * takes longer than using it for one claim.
 */
const TABLE = [
  0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320,
  0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
] as const;

function crc32(text: string): string {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    crc = (crc >>> 4) ^ (TABLE[crc & 0xf] ?? 0);
    crc = (crc >>> 4) ^ (TABLE[crc & 0xf] ?? 0);
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
}
