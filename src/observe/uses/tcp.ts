import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { hostOrderBits, type AddressBits } from './address-bits.ts';

/** The established TCP connections with another machine. */
export interface Connections {
  readonly peer: AddressBits;
  /** What a process that holds one has open: `socket:[12345]`. */
  readonly sockets: readonly string[];
}

/** Of a line with state 01, which is ESTABLISHED: the local address, the remote one, and behind five more fields the inode. */
const ESTABLISHED = /^ *\d+: ([0-9A-F]+):[0-9A-F]{4} ([0-9A-F]+):[0-9A-F]{4} 01 +(?:\S+ +){5}(\d+)(?: |$)/gm;
/** ::ffff:0:0/96, how a socket of IPv6 shows an address of IPv4. */
const MAPPED = '0'.repeat(80) + '1'.repeat(16);
/** 127.0.0.0/8. */
const LOOPBACK = '01111111';

/**
 * The established connections (net/ipv4/tcp_ipv4.c:get_tcp4_sock), without those of the host with itself. A server has
 * tens of thousands of them, with far fewer machines.
 */
export function readConnections(host: Host): Connections[] {
  const sockets = new Map<string, string[]>();
  for (const path of sysfs.tcpConnections) {
    const text = host.read(path, 'large') ?? '';
    ESTABLISHED.lastIndex = 0;
    for (let line = ESTABLISHED.exec(text); line; line = ESTABLISHED.exec(text)) {
      const [, local = '', remote = '', inode = ''] = line;
      const ends = `${local} ${remote}`;
      const known = sockets.get(ends) ?? [];
      known.push(`socket:[${inode}]`);
      sockets.set(ends, known);
    }
  }
  return [...sockets].flatMap(([ends, known]) => {
    const [local = '', peer = ''] = ends.split(' ').map(addressOf);
    // The table of routes has no local ones: this connection would seem to take the default route.
    if (peer === local || (peer.length === 32 && peer.startsWith(LOOPBACK))) return [];
    return [{ peer, sockets: known }];
  });
}

function addressOf(digits: string): AddressBits {
  const all = hostOrderBits(digits);
  return all.startsWith(MAPPED) ? all.slice(MAPPED.length) : all;
}
