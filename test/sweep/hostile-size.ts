import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { begin, changes, guestWith, stage } from '../hook/stage.ts';
import type { Sweep } from './sweep.ts';

const MIB = 2 ** 20;

/** The most that the hook reads. */
const LARGEST = 16 * MIB;

/** What one start may cost, whatever is on its standard input. */
const MOST_MS = 3000;
const MOST_MIB = 300;

const GPU = '0000:03:00.0';
const guest = guestWith([GPU]);
const [hostdev = ''] = /<hostdev.*<\/hostdev>/.exec(guest.xml) ?? [];

/** Texts for between the tags of `<devices>` and behind it. */
const fillings: Readonly<Record<string, readonly [within: string, behind: string]>> = {
  blanks: [' ', ''],
  text: ['x', ''],
  'character references': ['&#65;', ''],
  ampersands: ['&', ''],
  'opened elements': ['<a>', ''],
  'USB devices': ["<hostdev type='usb'/>", ''],
  'host devices': [hostdev, ''],
  'open quotes': ["<a b='", ''],
  comments: ['<!-- x -->', ''],
  metadata: ['', '<x>y</x>'],
  'namespaces in metadata': ['', "<a xmlns:b='c'/>"],
  'letters of other scripts': ['é漢😀', ''],
};

/** Documents of 16 MiB and of 4 MiB, through the compiled hook. */
export const hostileSize: Sweep = {
  name: 'hostile size',
  compiled: true,
  parts: ['16 MiB', '4 MiB', '17 MiB'],
  alone: true,
  run: async (part, tally) => {
    const on = stage('amd-rdna3-desktop');
    const size = Math.min(parseInt(part, 10) * MIB, part === '17 MiB' ? 17 * MIB : LARGEST);
    for (const [what, [within, behind]] of Object.entries(fillings)) {
      await tally.point(`of ${what}`, async () => {
        const room = size - Buffer.byteLength(guest.xml) - 100;
        const xml = guest.xml
          .replace('</devices>', `${fill(within, room)}</devices>`)
          .replace('</domain>', `<metadata>${fill(behind, room)}</metadata></domain>`);
        const before = changes(on);
        const began = performance.now();
        const running = begin(on, { ...guest, xml }, 'prepare');
        const peak = peakOf(running.process.pid ?? 0);
        const { status, stdout, stderr } = await running.ended;
        const took = performance.now() - began;
        const mebibytes = peak() / 1024;
        tally.measure('longest start with a huge document, ms', took);
        tally.measure('most memory for a huge document, MiB', mebibytes);
        assert.equal(stdout, '');
        if (status === 0) {
          assert.equal((await begin(on, guest, 'release').ended).status, 0);
        } else {
          assert.match(
            stderr,
            /^vfio-hook: error: cannot read the domain XML: [^\n]+\n(vfio-hook: hint: [^\n]+\n)?$/,
          );
          assert.equal(changes(on), before);
        }
        assert.ok(took < MOST_MS, `it took ${took} ms`);
        assert.ok(mebibytes > 1 && mebibytes < MOST_MIB, `it took ${mebibytes} MiB`);
      });
    }
  },
};

function fill(text: string, bytes: number): string {
  return text === '' ? '' : text.repeat(Math.floor(bytes / Buffer.byteLength(text)));
}

/** Looks at a process's largest memory so far (VmHWM, in KiB) until it is gone; the last that was seen. */
function peakOf(pid: number): () => number {
  let most = 0;
  const look = (): void => {
    try {
      most = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? most);
    } catch {
      clearInterval(timer);
    }
  };
  const timer = setInterval(look, 4);
  return () => {
    clearInterval(timer);
    return most;
  };
}
