import assert from 'node:assert/strict';
import { isOfDisplayManager, isSessionId, parseLoginSession } from '../../src/pci/login-session.ts';

const text = (facts: Readonly<Record<string, string>>): string =>
  Object.entries({ UID: '1000', USER: 'alice', ACTIVE: '1', ...facts })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

describe('a session of logind', () => {
  it('is a file whose name is letters and digits: the pipe beside it is none, nor a copy that is being written', () => {
    for (const id of ['1', 'c12', '3a']) assert.ok(isSessionId(id), id);
    for (const name of ['1.ref', '.#1Xy7', '', '..', 'a'.repeat(65)]) assert.ok(!isSessionId(name), name);
  });

  it('is read from what logind keeps of it', () => {
    const facts = {
      TYPE: 'wayland',
      CLASS: 'user',
      SCOPE: 'session-2.scope',
      SEAT: 'seat0',
      SERVICE: 'gdm-password',
    };
    assert.deepEqual(parseLoginSession('2', `# This is private data. Do not parse.\n${text(facts)}`), {
      id: '2',
      user: 'alice',
      uid: 1000,
      service: 'gdm-password',
      type: 'wayland',
      class: 'user',
      atSeat: true,
    });
    assert.equal(parseLoginSession('2', ''), undefined);
    assert.equal(parseLoginSession('../2', text(facts)), undefined);
    assert.equal(parseLoginSession('2', text({ UID: 'root' })), undefined);
  });

  const rows = [
    ['of a display manager', { TYPE: 'x11', CLASS: 'user', SEAT: 'seat0', SERVICE: 'sddm' }, true],
    [
      'that asks who is there',
      { TYPE: 'unspecified', CLASS: 'greeter', SEAT: 'seat0', SERVICE: 'lightdm-greeter' },
      true,
    ],
    ['at a text console', { TYPE: 'tty', CLASS: 'user', SEAT: 'seat0', SERVICE: 'login' }, false],
    [
      'at a text console, with a desktop in it',
      { TYPE: 'wayland', CLASS: 'user', SEAT: 'seat0', SERVICE: 'login' },
      false,
    ],
    ['from elsewhere', { TYPE: 'tty', CLASS: 'user', SERVICE: 'sshd' }, false],
    ['of a remote desktop', { TYPE: 'x11', CLASS: 'user', SERVICE: 'xrdp-sesman' }, false],
  ] as const;
  for (const [what, facts, expected] of rows) {
    it(`${what} ${expected ? 'ends' : 'does not end'} with the display manager`, () => {
      const session = parseLoginSession('7', text(facts));
      assert.ok(session);
      assert.equal(isOfDisplayManager(session), expected);
    });
  }
});
