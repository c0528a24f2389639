import assert from 'node:assert/strict';
import type { Holder } from '../../../src/host/host.ts';
import { letsGo } from '../../../src/observe/uses/sound-servers.ts';

const server: Holder = {
  pid: 7,
  name: 'wireplumber',
  path: '/dev/snd/controlC1',
  program: '/usr/bin/wireplumber',
};

describe('letsGo', () => {
  const yes: readonly (readonly [name: string, facts: Partial<Holder>])[] = [
    ['WirePlumber, which has the nodes of PipeWire', {}],
    ['PipeWire without a session manager', { program: '/usr/bin/pipewire' }],
    ['PulseAudio', { program: '/usr/bin/pulseaudio' }],
    ['the daemon that keeps volumes', { program: '/usr/sbin/alsactl' }],
    ['a program in a directory of its own', { program: '/usr/libexec/sound/wireplumber' }],
    ['a program of Nix', { program: '/nix/store/0c1-wireplumber-0.5.8/bin/wireplumber' }],
    ['its wrapper', { program: '/nix/store/0c1-wireplumber-0.5.8/bin/.wireplumber-wrapped' }],
    ['a program of Guix', { program: '/gnu/store/0c1-pulseaudio-17.0/bin/pulseaudio' }],
    ['what it plays', { path: '/dev/snd/pcmC1D3p' }],
    ['what it records', { path: '/dev/snd/pcmC1D0c' }],
    ['a thread with another name', { name: 'data-loop.0' }],
  ];
  for (const [name, facts] of yes)
    it(`${name}: yes`, () => {
      assert.ok(letsGo({ ...server, ...facts }));
    });

  const no: readonly (readonly [name: string, facts: Partial<Holder>])[] = [
    ['a server that is stopped', { halted: true }],
    ['a program that only has the name', { program: '/home/eve/wireplumber' }],
    ['one that a user has put into a directory with a good name', { program: '/tmp/usr/bin/wireplumber' }],
    ['one in the local directory, which a group may own', { program: '/usr/local/bin/wireplumber' }],
    ['a process of which the program is not known', { program: '/nonexistent' }],
    ['a program that plays without a server', { program: '/usr/bin/mpv', path: '/dev/snd/pcmC1D3p' }],
    ['a program whose name begins alike', { program: '/usr/bin/pulseaudio-equalizer' }],
    ['another node of sound', { path: '/dev/snd/hwC1D0' }],
    ['a node of graphics', { path: '/dev/dri/card1' }],
  ];
  for (const [name, facts] of no)
    it(`${name}: no`, () => {
      assert.ok(!letsGo({ ...server, ...facts }));
    });

  it('a process with mounts of its own, of which no program is known: no', () => {
    assert.ok(!letsGo({ pid: 7, name: 'wireplumber', path: '/dev/snd/controlC1' }));
  });
});
