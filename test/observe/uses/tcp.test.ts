import assert from 'node:assert/strict';
import { formatAddress } from '../../../src/observe/uses/address-bits.ts';
import { readConnections } from '../../../src/observe/uses/tcp.ts';
import { fakeHost } from '../../host/fake-host.ts';

/** As printed by Linux 6.12: a listener, a session, one that is closing, two of the host with itself. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0000000000000000 100 0 0 10 0
   1: 0501A8C0:0016 1401A8C0:C3D6 01 00000000:00000000 02:000A7F9D 00000000     0        0 1002 2 0000000000000000 20 4 29 10 -1
   2: 0501A8C0:0016 1501A8C0:C3D6 06 00000000:00000000 03:00000F2C 00000000     0        0 0 3 0000000000000000
   3: 0501A8C0:0016 0501A8C0:C3D7 01 00000000:00000000 00:00000000 00000000     0        0 1003 1 0000000000000000 20 4 29 10 -1
   4: 0100007F:0016 0100007F:C3D8 01 00000000:00000000 00:00000000 00000000     0        0 1004 1 0000000000000000 20 4 29 10 -1
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: B80D0120000007000000000005000000:0016 B80D0120000007000000000020000000:C3D6 01 00000000:00000000 00:00000000 00000000     0        0 2001 1 0000000000000000 20 4 29 10 -1
   1: 0000000000000000FFFF00000501A8C0:0016 0000000000000000FFFF00001601A8C0:C3D6 01 00000000:00000000 00:00000000 00000000     0        0 2002 1 0000000000000000 20 4 29 10 -1
   2: 00000000000000000000000001000000:0016 00000000000000000000000001000000:C3D6 01 00000000:00000000 00:00000000 00000000     0        0 2003 1 0000000000000000 20 4 29 10 -1
`;

describe('readConnections', () => {
  it('has the established ones with other machines, by who is there and the socket here', () => {
    const host = fakeHost({ files: { '/proc/net/tcp': TCP, '/proc/net/tcp6': TCP6 } });
    assert.deepEqual(
      readConnections(host).map(({ peer, sockets }) => `${formatAddress(peer)} ${sockets.join(' ')}`),
      ['192.168.1.20 socket:[1002]', '2001:db8:7::20 socket:[2001]', '192.168.1.22 socket:[2002]'],
    );
  });

  it('has none on a machine without IPv6, nor without a network', () => {
    assert.equal(readConnections(fakeHost({ files: { '/proc/net/tcp': TCP } })).length, 1);
    assert.deepEqual(readConnections(fakeHost({})), []);
  });
});
