import assert from 'node:assert/strict';
import { graphicsUses } from '../../../src/observe/uses/graphics.ts';
import type { PciDevice } from '../../../src/pci/device.ts';
import { audio, gpu } from '../../plan/snapshots.ts';
import { fakeHost, type Shown } from '../../host/fake-host.ts';

/** A machine whose frame buffers lead to these devices, with consoles `vtcon0`, … as name and bind. */
function shown(
  frameBuffers: Readonly<Record<string, string>>,
  ...consoles: readonly (readonly [name: string, bind: string])[]
): Shown {
  return {
    links: Object.fromEntries(
      Object.entries(frameBuffers).map(([name, path]) => [
        `/sys/class/graphics/${name}`,
        `../../devices/${path}/graphics/${name}`,
      ]),
    ),
    files: {
      '/sys/class/graphics/fbcon/rotate': '0\n',
      ...Object.fromEntries(
        consoles.flatMap(([name, bind], index) => [
          [`/sys/class/vtconsole/vtcon${index}/name`, `${name}\n`],
          [`/sys/class/vtconsole/vtcon${index}/bind`, `${bind}\n`],
        ]),
      ),
    },
  };
}

const CARD = 'pci0000:00/0000:00:1d.0/0000:03:00.0';
const OTHER = 'pci0000:00/0000:00:02.0';
const DUMMY = ['(S) dummy device', '0'] as const;
const BOUND = ['(M) frame buffer device', '1'] as const;

describe('graphicsUses', () => {
  const rows: readonly (readonly [
    name: string,
    host: Shown,
    facts: Partial<PciDevice>,
    reasons: readonly string[],
  ])[] = [
    ['a card that shows nothing', shown({}), { bootVga: false }, []],
    ['the primary display', shown({}), { bootVga: true }, ['boot-vga']],
    ['a 3D controller, which has no boot_vga', shown({}), { class: '030200' }, []],
    ['the console on the card', shown({ fb0: CARD }, DUMMY, BOUND), {}, ['console']],
    ['the console on another card', shown({ fb0: OTHER, fb1: CARD }, DUMMY, BOUND), {}, []],
    [
      'the first frame buffer, when it is not fb0',
      shown({ fb10: OTHER, fb2: CARD }, DUMMY, BOUND),
      {},
      ['console'],
    ],
    ['a console that is not bound', shown({ fb0: CARD }, DUMMY, ['(M) frame buffer device', '0']), {}, []],
    ['a console on VGA text', shown({ fb0: CARD }, ['(S) VGA+', '1']), {}, []],
    ['no console at all', shown({ fb0: CARD }), {}, []],
    [
      'the firmware’s frame buffer below the card (Linux 6.9 and later)',
      shown({ fb0: `${CARD}/simple-framebuffer.0` }, BOUND),
      { bootVga: true },
      ['boot-vga', 'console'],
    ],
    ['the firmware’s frame buffer of nobody', shown({ fb0: 'platform/efi-framebuffer.0' }, BOUND), {}, []],
  ];
  for (const [name, host, facts, reasons] of rows) {
    it(name, () => {
      assert.deepEqual(
        graphicsUses(fakeHost(host), [audio(), gpu(facts)]).map(({ reason }) => reason),
        reasons,
      );
    });
  }

  it('looks at nothing when no device is a card', () => {
    const host = { ...fakeHost({}), list: () => assert.fail('it looked') };
    assert.deepEqual(graphicsUses(host, [audio({ bootVga: true })]), []);
  });
});
