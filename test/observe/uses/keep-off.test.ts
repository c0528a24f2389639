import assert from 'node:assert/strict';
import { hintText, type Hint } from '../../../src/hint.ts';
import { desktopHints } from '../../../src/observe/uses/keep-off.ts';
import { at } from '../../plan/snapshots.ts';
import { fakeHost } from '../../host/fake-host.ts';

const CARD = at('03:00.0');

/** A host with these graphics cards, and a device that is none. */
function hints(names: readonly string[], cards: readonly string[]): Hint[] {
  const files: Record<string, string> = {
    '/sys/bus/pci/devices/0000:06:00.0/vendor': '',
    '/sys/bus/pci/devices/0000:07:00.0/drm/renderD200/dev': '',
  };
  cards.forEach((card, index) => (files[`/sys/bus/pci/devices/${card}/drm/card${index}/dev`] = ''));
  const host = fakeHost({ files });
  const holders = names.map((name, index) => ({
    pid: 10 + index,
    name,
    path: '/dev/dri/card1',
    unit: { name: `${name}.service`, user: 1000 },
  }));
  return desktopHints(host, CARD, holders);
}

const iGpu = '0000:00:02.0';
const RESTART = 'then restart the host: a desktop opens its cards when it starts';
const RULES = '/etc/udev/rules.d/61-vfio-hook-desktop.rules';

describe('desktopHints', () => {
  it('has nothing to say of other programs', () => {
    assert.deepEqual(hints(['firefox'], [CARD, iGpu]), []);
  });

  it('warns first, with the session, and never says how to end it', () => {
    const [warning, ...others] = hints(['gnome-shell', 'Xwayland'], [CARD, iGpu]).map(hintText);
    assert.equal(
      warning,
      'do not stop "gnome-shell" (pid 10, gnome-shell.service) and "Xwayland" (pid 11, Xwayland.service): this ends your session and every program in it',
    );
    assert.equal(others.at(-1), RESTART);
    assert.doesNotMatch([warning, ...others].join(), /kill|systemctl/);
  });

  it('is less sure of a program that it does not know', () => {
    const holder = { pid: 7, name: 'mywm', path: '/dev/dri/card1', unit: { name: 'session-2.scope' } };
    assert.match(
      desktopHints(fakeHost({}), CARD, [holder]).map(hintText).join(),
      /^do not stop "mywm" \(pid 7, session-2\.scope\): this may end your session/,
    );
  });

  /** What is pasted where. */
  const rows: readonly (readonly [
    desktop: string,
    pastes: readonly (readonly [into: string, text: string])[],
  ])[] = [
    ['gnome-shell', [[RULES, 'SUBSYSTEM=="drm", KERNELS=="0000:03:00.0", TAG+="mutter-device-ignore"']]],
    ...(
      [
        ['kwin_wayland', 'KWIN_DRM_DEVICES'],
        ['Hyprland', 'AQ_DRM_DEVICES'],
        ['sway', 'WLR_DRM_DEVICES'],
      ] as const
    ).map(
      ([name, variable]) =>
        [
          name,
          [
            [
              RULES,
              'SUBSYSTEM=="drm", ENV{DEVTYPE}=="drm_minor", KERNEL=="card*", KERNELS=="0000:00:02.0", SYMLINK+="dri/card-0000-00-02.0"',
            ],
            ['/etc/environment', `${variable}=/dev/dri/card-0000-00-02.0`],
          ],
        ] as const,
    ),
    [
      'niri',
      [
        [
          '~/.config/niri/config.kdl',
          'debug {\n  render-drm-device "/dev/dri/by-path/pci-0000:00:02.0-render"\n  ignore-drm-device "/dev/dri/by-path/pci-0000:03:00.0-render"\n}',
        ],
      ],
    ],
    ['cosmic-comp', [['/etc/environment', 'COSMIC_DRM_BLOCK_DEVICES=pci-0000:03:00.0']]],
    [
      'Xorg',
      [
        [
          '/etc/X11/xorg.conf.d/10-vfio-hook.conf',
          'Section "ServerFlags"\n  Option "AutoAddGPU" "off"\nEndSection\nSection "Device"\n  Identifier "card of the host"\n  BusID "PCI:0@0:2:0"\nEndSection',
        ],
      ],
    ],
  ];
  for (const [desktop, pastes] of rows) {
    it(`${desktop}: what keeps it off the card`, () => {
      const made = hints([desktop], [CARD, iGpu]).slice(1, -1);
      assert.deepEqual(
        made.map((hint) => hint.kind === 'paste' && [hint.into, hint.text]),
        pastes,
      );
    });
  }

  it('lists every other card, under names without colons', () => {
    const text = hints(['kwin_wayland'], [CARD, iGpu, '10000:e1:00.0']).map(hintText).join('\n');
    assert.match(text, /KWIN_DRM_DEVICES=\/dev\/dri\/card-0000-00-02\.0:\/dev\/dri\/card-10000-e1-00\.0 in/);
    assert.match(text, /KERNELS=="0000:00:02\.0".* KERNELS=="10000:e1:00\.0"/);
  });

  it('writes the numbers of an Xorg BusID in decimal', () => {
    assert.match(hints(['Xorg'], [CARD, '10000:e1:1f.7']).map(hintText).join(), /"PCI:225@65536:31:7"/);
  });

  it('has one answer for each kind of desktop', () => {
    const into = hints(['sway', 'gnome-shell', 'labwc', 'Xorg'], [CARD, iGpu]).filter(
      ({ kind }) => kind === 'paste',
    );
    assert.equal(into.length, 4);
  });

  it('says so when the card is the only one', () => {
    assert.deepEqual(hints(['kwin_wayland'], [CARD]).slice(1).map(hintText), [
      "0000:03:00.0 is the host's only graphics card, so the desktop has no other to be on: save your work, log out and stop the display manager before the guest starts",
    ]);
  });

  it('says so when it does not know how', () => {
    assert.deepEqual(hints(['weston'], [CARD, iGpu]).slice(1).map(hintText), [
      'how "weston" is kept off a card is in its own documentation; until then log out before the guest starts',
    ]);
  });
});
