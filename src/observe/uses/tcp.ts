import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { hostOrderBits, type AddressBits } from './address-bits.ts';

/** An established TCP connection to another machine. */
export interface Connection {
  readonly peer: AddressBits;
  /** What a process that holds its socket has open: `socket:[12345]`. */
  readonly socket: string;
}

const ESTABLISHED = '01';
/** ::ffff:0:0/96, how a socket of IPv6 shows an address of IPv4. */
const MAPPED = '0'.repeat(80) + '1'.repeat(16);
/** 127.0.0.0/8. */
const LOOPBACK = '01111111';

/** The established connections (net/ipv4/tcp_ipv4.c:get_tcp4_sock), without those of the host with itself. */
export function readConnections(host: Host): Connection[] {
  return sysfs.tcpConnections.flatMap((path) =>
    (host.read(path) ?? '').split('\n').slice(1).flatMap(parseLine),
  );
}

function parseLine(line: string): Connection[] {
  const [, local = '', remote = '', state, , , , , , inode] = line.trim().split(/\s+/);
  if (state !== ESTABLISHED || inode === undefined) return [];
  const [here, peer] = [address(local), address(remote)];
  // The table of routes has no local ones: this connection would seem to take the default route.
  if (peer === here || (peer.length === 32 && peer.startsWith(LOOPBACK))) return [];
  return [{ peer, socket: `socket:[${inode}]` }];
}

function address(endpoint: string): AddressBits {
  const all = hostOrderBits(endpoint.split(':')[0] ?? '');
  return all.startsWith(MAPPED) ? all.slice(MAPPED.length) : all;
}
