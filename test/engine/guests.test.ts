import assert from 'node:assert/strict';
import { knownGuests, readGuestText, readKnownGuest } from '../../src/engine/guests.ts';
import { fakeHost } from '../host/fake-host.ts';

const xml = (name: string): string =>
  `<domain type='kvm'><name>${name}</name><uuid>b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11</uuid></domain>`;
const state = (name: string): string =>
  `<domstatus state='running' pid='42'><monitor path='/m'/>${xml(name)}</domstatus>`;

const host = fakeHost({
  files: {
    '/etc/libvirt/qemu/off.xml': xml('off'),
    '/etc/libvirt/qemu/on.xml': xml('on'),
    '/etc/libvirt/qemu/.xml': '',
    '/etc/libvirt/qemu/notes.txt': '',
    '/etc/libvirt/qemu/networks/default.xml': '',
    '/etc/libvirt/qemu/autostart/on.xml': '',
    '/run/libvirt/qemu/on.xml': state('on'),
    '/run/libvirt/qemu/on.pid': '42',
    '/run/libvirt/qemu/passing.xml': state('passing'),
  },
});

describe('knownGuests', () => {
  it('has the defined ones, and those that run without a definition, each once', () => {
    assert.deepEqual(knownGuests(host), [
      { name: 'off', path: '/etc/libvirt/qemu/off.xml', transient: false, autostart: false },
      { name: 'on', path: '/etc/libvirt/qemu/on.xml', transient: false, autostart: true },
      { name: 'passing', path: '/run/libvirt/qemu/passing.xml', transient: true, autostart: false },
    ]);
  });

  it('has none where there is no libvirt', () => {
    assert.deepEqual(knownGuests(fakeHost({})), []);
  });
});

describe('readKnownGuest', () => {
  it('reads the definition inside of a running state', () => {
    const passing = knownGuests(host).find(({ name }) => name === 'passing')!;
    assert.deepEqual(readKnownGuest(passing, host), {
      ...readGuestText(xml('passing')),
      path: '/run/libvirt/qemu/passing.xml',
    });
  });

  it('a file that went away meanwhile is no guest', () => {
    const [guest] = knownGuests(host);
    assert.equal(readKnownGuest(guest!, fakeHost({})), undefined);
  });
});
