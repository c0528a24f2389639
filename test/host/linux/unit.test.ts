import assert from 'node:assert/strict';
import { unitOf } from '../../../src/host/linux/unit.ts';

describe('unitOf', () => {
  const rows: readonly (readonly [name: string, cgroup: string, unit: ReturnType<typeof unitOf>])[] = [
    ['a service of the system', '0::/system.slice/lightdm.service\n', { name: 'lightdm.service' }],
    [
      'a service of a user',
      '0::/user.slice/user-1000.slice/user@1000.service/session.slice/pipewire.service\n',
      { name: 'pipewire.service', user: 1000 },
    ],
    [
      'a program of a desktop',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-2204.scope\n',
      { name: 'app-gnome-firefox-2204.scope', user: 1000 },
    ],
    [
      "a user's service manager itself",
      '0::/user.slice/user-1000.slice/user@1000.service/init.scope\n',
      { name: 'init.scope', user: 1000 },
    ],
    ['a session', '0::/user.slice/user-1000.slice/session-2.scope\n', { name: 'session-2.scope' }],
    [
      'a group below a unit, as libvirt makes them',
      '0::/machine.slice/machine-qemu\\x2d1\\x2dwin10.scope/libvirt/emulator\n',
      { name: 'machine-qemu\\x2d1\\x2dwin10.scope' },
    ],
    [
      'version 1, where systemd has a hierarchy of its own',
      '12:devices:/system.slice/other.service\n1:name=systemd:/system.slice/ssh.service\n0::/x.service\n',
      { name: 'ssh.service' },
    ],
    [
      'a unit below which somebody has made groups as they like',
      '0::/system.slice/docker.service/libvirtd.service/x.scope\n',
      { name: 'docker.service' },
    ],
    [
      'a user that has named a group as a unit of the system',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/-M.service/sshd.service\n',
      { name: 'user@1000.service' },
    ],
    [
      'what is below a unit of a user',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope/user@0.service/b.service\n',
      { name: 'a.scope', user: 1000 },
    ],
    [
      'a group that is named as a user’s service manager and is not below it',
      '0::/system.slice/cron.service/user@0.service/x.service\n',
      { name: 'cron.service' },
    ],
    ['a name that would be an option', '0::/-H.service\n', undefined],
    ['a kernel thread', '0::/\n', undefined],
    ['a machine without systemd', '', undefined],
    ['a name that would drive a terminal', '0::/system.slice/\u001b[2J.service\n', undefined],
    ['a name that would be two words', '0::/system.slice/a b.service\n', undefined],
  ];
  for (const [name, cgroup, unit] of rows) {
    it(`knows ${name}`, () => {
      assert.deepEqual(unitOf(cgroup), unit);
    });
  }
});
