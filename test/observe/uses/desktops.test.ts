import assert from 'node:assert/strict';
import type { Holder } from '../../../src/host/host.ts';
import { cardChoice } from '../../../src/observe/uses/desktops.ts';

const holder = (name: string, facts: Partial<Holder> = {}): Holder => ({
  pid: 7,
  name,
  path: '/dev/dri/card1',
  ...facts,
});

describe('cardChoice', () => {
  const rows: readonly (readonly [name: string, choice: string | undefined])[] = [
    ['gnome-shell', 'mutter'],
    ['kwin_wayland', 'kwin'],
    ['Hyprland', 'aquamarine'],
    ['sway', 'wlroots'],
    ['river', 'wlroots'],
    ['labwc', 'wlroots'],
    ['wayfire', 'wlroots'],
    ['niri', 'niri'],
    ['cosmic-comp', 'cosmic'],
    ['Xorg', 'xorg'],
    ['X', 'xorg'],
    ['Xwayland', 'unknown'],
    ['weston', 'unknown'],
    ['gamescope-wl', 'unknown'],
    // 15 bytes of .gnome-shell-wrapped, .kwin_wayland-wrapped and .sway-wrapped
    ['.gnome-shell-wr', 'mutter'],
    ['.kwin_wayland-w', 'kwin'],
    ['.sway-wrapped', 'wlroots'],
    ['firefox', undefined],
    ['Xorganizer', undefined],
    ['constructor', undefined],
    ['', undefined],
  ];
  for (const [name, choice] of rows) {
    it(`${JSON.stringify(name)}: ${choice ?? 'no desktop'}`, () => {
      assert.equal(cardChoice(holder(name)), choice);
    });
  }

  it('every name of the table fits into the 15 bytes that the kernel keeps', () => {
    for (const [name] of rows) assert.ok(name.length <= 15, name);
  });

  const session = { unit: { name: 'session-2.scope' } };
  const sessions: readonly (readonly [name: string, facts: Partial<Holder>, choice: string | undefined])[] = [
    ['a program of a login session that shows pictures itself', session, 'unknown'],
    ['one that only renders', { ...session, path: '/dev/dri/renderD129' }, undefined],
    ['one that plays', { ...session, path: '/dev/snd/pcmC1D3p' }, undefined],
    ['one of a service', { unit: { name: 'session-x.service' } }, undefined],
    ['one of an application', { unit: { name: 'app-kodi-1.scope', user: 1000 } }, undefined],
  ];
  for (const [name, facts, choice] of sessions) {
    it(`${name}: ${choice ?? 'no desktop'}`, () => {
      assert.equal(cardChoice(holder('mywm', facts)), choice);
    });
  }
});
