import assert from 'node:assert/strict';
import type { Host } from '../../../src/host/host.ts';
import { readUses } from '../../../src/observe/uses/uses.ts';
import { device } from '../../plan/snapshots.ts';
import { fakeHost, type Shown } from '../../host/fake-host.ts';

/* Hosts that are large. What is to be shown is how the work grows, so reads are counted, and not seconds. */

const nvme = device('04:00.0', { class: '010802', driver: 'nvme' });
const nic = device('05:00.0', { class: '020000', driver: 'igb' });

/** The same host, and how often it is asked. */
function counting(shown: Host): { readonly host: Host; readonly count: () => number } {
  let count = 0;
  const counted = <T>(answer: T): T => {
    count += 1;
    return answer;
  };
  return {
    host: {
      ...shown,
      read: (path, size) => counted(shown.read(path, size)),
      readLink: (path) => counted(shown.readLink(path)),
      list: (path) => counted(shown.list(path)),
    },
    count: () => count,
  };
}

/** A disk with one partition that so many logical volumes are on, each of them mounted. */
function volumes(number: number): Shown {
  const all = Array.from({ length: number }, (_, index) => index);
  const disk = '../../devices/pci0000:00/0000:04:00.0/nvme/nvme0/nvme0n1';
  return {
    links: {
      '/sys/class/block/nvme0n1': disk,
      '/sys/class/block/nvme0n1p1': `${disk}/nvme0n1p1`,
      ...Object.fromEntries(
        all.flatMap((each) => [
          [`/sys/class/block/dm-${each}`, `../../devices/virtual/block/dm-${each}`],
          [`/dev/mapper/vg0-lv${each}`, `../dm-${each}`],
        ]),
      ),
    },
    files: {
      '/sys/class/block/nvme0n1/dev': '259:0\n',
      '/sys/class/block/nvme0n1p1/dev': '259:1\n',
      ...Object.fromEntries(
        all.flatMap((each) => [
          [`/sys/class/block/dm-${each}/dev`, `253:${each}\n`],
          [`/sys/class/block/dm-${each}/dm/name`, `vg0-lv${each}\n`],
          [`/sys/class/block/dm-${each}/dm/uuid`, `LVM-${each}\n`],
          [`/sys/class/block/nvme0n1p1/holders/dm-${each}`, ''],
        ]),
      ),
      '/proc/self/mountinfo': all
        .map((each) => `${each} 1 253:${each} / /srv/lv${each} rw - ext4 /dev/mapper/vg0-lv${each} rw\n`)
        .join(''),
    },
  };
}

/** So many connections with clients of 250 addresses, one in a hundred a session of ssh. */
function connections(number: number): Host {
  const line = (each: number): string =>
    `${String(each).padStart(4)}: 0501A8C0:${each % 100 === 0 ? '0016' : '01BB'} ` +
    `${(each % 250).toString(16).padStart(2, '0').toUpperCase()}02000A:C3D6 01 ` +
    `00000000:00000000 00:00000000 00000000     0        0 ${100_000 + each} 2 0000000000000000 20 4 29 10 -1\n`;
  const shown = fakeHost({
    links: { '/sys/class/net/eno1': '../../devices/pci0000:00/0000:05:00.0/net/eno1' },
    files: {
      '/proc/net/route':
        'Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\neno1\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n',
      '/proc/net/tcp': `  sl  local_address\n${Array.from({ length: number }, (_, each) => line(each)).join('')}`,
    },
    wideRoutes: '[]',
  });
  return {
    ...shown,
    openFiles: (paths, ofProgram = () => true) => ({
      holders: paths.flatMap((path, index) => {
        const name = index % 100 === 0 ? 'sshd-session' : 'nginx';
        return ofProgram(name) ? [{ pid: 1000 + index, name, path }] : [];
      }),
      unseen: [],
    }),
  };
}

describe('readUses on a large host', () => {
  it('finds 500 mounted volumes with twice the reads that 250 take', async () => {
    const reads: number[] = [];
    for (const number of [250, 500]) {
      const { host, count } = counting(fakeHost(volumes(number)));
      const uses = await readUses(host, [nvme], 1000);
      assert.equal(uses.length, number);
      assert.equal(
        uses.at(-1)?.detail,
        `nvme0n1p1 is mounted at /srv/lv${number - 1} through dm-${number - 1} (LVM vg0-lv${number - 1})`,
      );
      reads.push(count());
    }
    assert.ok((reads[1] ?? 0) < 2.05 * (reads[0] ?? 0), `reads: ${reads.join(', ')}`);
    assert.ok((reads[1] ?? 0) < 20 * 500, `reads: ${reads.join(', ')}`);
  });

  it('finds 200 sessions of ssh among 20,000 connections, and asks about no other program', async () => {
    const { host, count } = counting(connections(20_000));
    const uses = await readUses(host, [nic], 1000);
    assert.equal(uses.filter(({ reason }) => reason === 'ssh').length, 200);
    assert.ok(count() < 30, `reads: ${count()}`);
  });
});
