import type { MachineState } from './state.ts';
import { hex } from './text.ts';
import { directory, text, type Directory } from './tree.ts';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const ESTABLISHED = '01';

/** /proc/net/tcp and tcp6 with the established connections of all processes (net/ipv4/tcp_ipv4.c:get_tcp4_sock). */
export function sessionTables(state: MachineState): Directory {
  const table = (version: 4 | 6): string => {
    const lines = state.processes
      .flatMap(({ sessions }) => sessions ?? [])
      .map(({ local, peer, inode }) => ({ local: endpoint(local), peer: endpoint(peer), inode }))
      .filter(({ local }) => local.version === version)
      .map(
        ({ local, peer, inode }, index) =>
          `${String(index).padStart(4)}: ${local.text} ${peer.text} ${ESTABLISHED} ` +
          `00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 20 4 30 10 -1`,
      );
    return [HEADER, ...lines, ''].join('\n');
  };
  return directory({ tcp: text(() => table(4)), tcp6: text(() => table(6)) });
}

/** `192.168.1.5:22` as the kernel prints it: 32 bits at a time, in the processor's order of bytes (here: little-endian). */
function endpoint(written: string): { readonly version: 4 | 6; readonly text: string } {
  const { address = '', port = '0' } = /^\[?(?<address>.*?)\]?:(?<port>\d+)$/.exec(written)?.groups ?? {};
  const bytes = isIpv4(address) ? address.split('.').map(Number) : ipv6Bytes(address);
  const words = Array.from({ length: bytes.length / 4 }, (_, index) =>
    bytes
      .slice(index * 4, index * 4 + 4)
      .reverse()
      .map((byte) => hex(byte, 2))
      .join(''),
  );
  return {
    version: bytes.length === 4 ? 4 : 6,
    text: `${words.join('')}:${hex(Number(port), 4)}`.toUpperCase(),
  };
}

/** Whether an address is one of IPv4, with four numbers. */
export function isIpv4(address: string): boolean {
  return !address.includes(':');
}

/** The 16 bytes of an IPv6 address; the last four may be written as an IPv4 address. */
export function ipv6Bytes(address: string): number[] {
  const words = (part: string): number[] =>
    part
      .split(':')
      .filter((word) => word !== '')
      .flatMap((word) => {
        if (word.includes('.')) return word.split('.').map(Number);
        const value = parseInt(word, 16);
        return [value >> 8, value & 0xff];
      });
  const [head = '', tail] = address.split('::');
  const [first, last] = [words(head), words(tail ?? '')];
  return [...first, ...Array.from({ length: 16 - first.length - last.length }, () => 0), ...last];
}
