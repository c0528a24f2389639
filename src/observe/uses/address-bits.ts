/** An address, or the beginning of one, as bits, most significant first: 32 or 128 for a whole one. */
export type AddressBits = string;

/** Bits of addresses that the kernel prints 32 bits at a time in the processor's order of bytes (little-endian). */
export function hostOrderBits(digits: string): AddressBits {
  const words = digits.match(/.{8}/g) ?? [];
  return bitsOf(words.map((word) => (word.match(/../g) ?? []).reverse().join('')).join(''));
}

/** Bits of hexadecimal digits in network order. */
export function bitsOf(digits: string): AddressBits {
  return Array.from(digits, (digit) => parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
}

/** Bits of `10.1.0.0/16`, as many as the prefix is long; undefined for what is no network of IPv4. */
export function ipv4Prefix(text: string): AddressBits | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (!match) return undefined;
  const bits = match.slice(1, 5).map((byte) => Number(byte).toString(2).padStart(8, '0'));
  return bits.join('').slice(0, Number(match[5] ?? 32));
}

/** An address as people write it: `192.168.1.20`, `2001:db8::20`. */
export function formatAddress(address: AddressBits): string {
  if (address.length === 32) return chunks(address, 8).join('.');
  const words = chunks(address, 16).map((word) => word.toString(16));
  return words.join(':').replace(/(^|:)0(:0)+(:|$)/, '::');
}

function chunks(address: AddressBits, size: number): number[] {
  return (address.match(new RegExp(`.{${size}}`, 'g')) ?? []).map((part) => parseInt(part, 2));
}
