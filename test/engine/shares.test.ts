import assert from 'node:assert/strict';
import type { CardRule } from '../../src/config/config.ts';
import { dieBefore, failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GIB = 2 ** 30;

describe('shares that a start deals out to functions of a graphics card', () => {
  const open = scenarios();

  describe('by xe', () => {
    const CARD = pci('0000:04:00.0');
    const [FIRST, SECOND] = ['0000:04:00.1', '0000:04:00.2'] as const;
    const file = (part: string, name: string): string =>
      `/sys/bus/pci/devices/${CARD}/sriov_admin/${part}/profile/${name}`;

    function xe(card: Partial<CardRule> = {}): Scenario {
      const functions = [
        { vf: 0, scope: 'all', profile: { vram_quota: String(4 * GIB), exec_quantum_ms: '20' } },
        { vf: 1, scope: 'all', profile: { vram_quota: String(8 * GIB) } },
      ] as const;
      return open({
        host: 'xe-sriov',
        config: { sriov: [{ pf: CARD, vfs: 2, autoprobe: false, functions, ...card }] },
      });
    }
    const read = (on: Scenario, part: string, name: string): string | undefined =>
      on.machine.host().read(file(part, name))?.trim();

    it('memory before the functions are there, time after that, and nothing is put back that goes with them', async () => {
      const on = xe({ profile: { sched_priority: 'high' } });
      await on.prepare(guest('a', FIRST));
      assert.deepEqual(on.writes().slice(0, 7), [
        `${CARD}/sriov_admin/vf1/profile/vram_quota < ${4 * GIB}`,
        `${CARD}/sriov_admin/vf2/profile/vram_quota < ${8 * GIB}`,
        `${CARD}/power/control < on`,
        `${CARD}/sriov_drivers_autoprobe < 0`,
        `${CARD}/sriov_numvfs < 2`,
        `${CARD}/sriov_admin/vf1/profile/exec_quantum_ms < 20`,
        `${CARD}/sriov_admin/pf/profile/sched_priority < high`,
      ]);
      assert.equal(read(on, 'pf', 'sched_priority'), 'low normal [high]');
      await on.prepare(guest('b', SECOND));
      await on.release('a');
      assert.equal(read(on, 'vf1', 'exec_quantum_ms'), '0');
      assert.equal(read(on, 'vf1', 'vram_quota'), String(4 * GIB), 'another guest wants the card like that');
      assert.equal(read(on, 'pf', 'sched_priority'), 'low normal [high]');
      on.writes();
      await on.release('b');
      assert.deepEqual(
        on.writes().filter((write) => write.includes('sriov')),
        [
          `${CARD}/sriov_admin/pf/profile/sched_priority < low`,
          `${CARD}/sriov_numvfs < 0`,
          `${CARD}/sriov_drivers_autoprobe < 1`,
        ],
      );
      on.nothingDiffers();
    });

    it('that the driver does not know are refused before anything is written', async () => {
      const on = xe({ functions: [{ vf: 0, scope: 'all', profile: { ggtt_quota: '1048576' } }] });
      const { code, message } = await failureOf(on.prepare(guest('a', FIRST)));
      assert.equal(code, 'VH_REFUSED');
      assert.match(
        message,
        /ggtt_quota of virtual function 0 of 0000:04:00.0: the driver of the card has no such share/,
      );
      assert.deepEqual(on.writes(), []);
    });

    it('of more memory than the card has are refused by its driver, and all is as it was', async () => {
      const on = xe({ functions: [{ vf: 0, scope: 'all', profile: { vram_quota: String(64 * GIB) } }] });
      const { message } = await failureOf(on.prepare(guest('a', FIRST)));
      assert.match(
        message,
        /ENOSPC \(the card has not so much left\); guest "a" is not started and everything is as it was$/,
      );
      on.nothingDiffers();
    });

    it('that two guests want otherwise are the first one’s', async () => {
      const on = xe();
      await on.prepare(guest('a', FIRST));
      const [card] = on.config.sriov;
      const functions = [{ vf: 1, scope: 'guest', profile: { vram_quota: String(GIB) } }] as const;
      on.config = { ...on.config, sriov: [{ ...card!, functions }] };
      const { message } = await failureOf(on.prepare(guest('b', SECOND)));
      assert.match(message, /vram_quota of virtual function 1 of 0000:04:00.0: guest "a" has it 8589934592/);
    });

    it('are as before after a death at any write', async () => {
      for (let nth = 0; nth < 14; nth += 1) {
        const on = xe({ profile: { sched_priority: 'high' } });
        const live = dieBefore(on, nth);
        await on.prepare(guest('a', FIRST)).catch(() => undefined);
        await on.release('a').catch(() => undefined);
        live();
        await on.recover();
        on.nothingDiffers();
      }
    });
  });

  describe('by i915-sriov-dkms', () => {
    const CARD = pci('0000:00:02.0');

    it('on each GT of the card', async () => {
      const functions = [
        { vf: 1, scope: 'all', profile: { exec_quantum_ms: '20', contexts_quota: '512' } },
      ] as const;
      const on = open({
        host: 'i915-sriov',
        config: { sriov: [{ pf: CARD, vfs: 3, autoprobe: false, functions }] },
      });
      await on.prepare(guest('a', '0000:00:02.2'));
      assert.deepEqual(on.writes().slice(0, 6), [
        `${CARD}/drm/card0/prelim_iov/vf2/gt0/contexts_quota < 512`,
        `${CARD}/drm/card0/prelim_iov/vf2/gt1/contexts_quota < 512`,
        `${CARD}/sriov_drivers_autoprobe < 0`,
        `${CARD}/sriov_numvfs < 3`,
        `${CARD}/drm/card0/prelim_iov/vf2/gt0/exec_quantum_ms < 20`,
        `${CARD}/drm/card0/prelim_iov/vf2/gt1/exec_quantum_ms < 20`,
      ]);
      await on.release('a');
      on.nothingDiffers();
    });
  });

  for (const [driver, host, card, words] of [
    [
      'gim',
      'mi300x-gim',
      '0000:05:00.0',
      'the driver gim makes them when its module is loaded, and at no other time',
    ],
    ['amdgpu', 'amd-rdna3-desktop', '0000:03:00.0', 'the driver amdgpu makes none'],
    ['i915', 'i915-sriov', '0000:00:02.0', 'the i915 of the kernel makes none'],
  ] as const) {
    it(`are not ${driver}’s to make, which is said before the kernel says ENOENT`, async () => {
      const sriov = { totalVfs: 8, numVfs: 0, offset: 16, stride: 1, vfDevice: '0001', vfBars: [] };
      const on = open({
        host,
        devicesOfHost: { [card]: { sriov } },
        config: { sriov: [{ pf: pci(card), vfs: 2, autoprobe: false }] },
      });
      const vf = card.replace(/00\.0$|02\.0$/, (slot) => (slot === '00.0' ? '02.0' : '04.0'));
      const { code, message } = await failureOf(on.prepare(guest('a', vf)));
      assert.equal(code, 'VH_REFUSED');
      assert.ok(message.includes(words), message);
      assert.deepEqual(on.writes(), []);
    });
  }
});
