import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  isUnitName,
  parseUnitKey,
  parseUnitName,
  unitCommand,
  unitKey,
  unitWords,
} from '../../src/pci/unit.ts';

const KEYS = [
  ['ollama.service', { name: 'ollama.service' }],
  ['user 1000 pipewire.socket', { name: 'pipewire.socket', user: 1000 }],
  ['user 0 a@b\\x2dc.timer', { name: 'a@b\\x2dc.timer', user: 0 }],
] as const;

describe('units of systemd', () => {
  for (const [key, unit] of KEYS) {
    it(`have the key ${key}`, () => {
      assert.equal(unitKey(unit), key);
      assert.deepEqual(parseUnitKey(key), unit);
    });
  }

  it('have no key that is no name, or another number', () => {
    for (const key of [
      ...['', '-x.service', 'ollama', 'a/b.service', 'a b.service', 'user 01 a.service', 'user x a.service'],
      ...[
        'user 1000',
        'session-1.scope',
        '-.slice',
        'graphical.target',
        'a.service\n',
        'user 99999999999 a.service',
      ],
    ])
      assert.equal(parseUnitKey(key), undefined, JSON.stringify(key));
  });

  it('are services where people leave the suffix out', () => {
    assert.equal(parseUnitName('ollama'), 'ollama.service');
    assert.equal(parseUnitName('pipewire.socket'), 'pipewire.socket');
    assert.equal(parseUnitName('a.b'), 'a.b.service');
    for (const text of ['', '-x', 'a b', 'x/y', '../x']) assert.equal(parseUnitName(text), undefined, text);
  });

  it('are never an option or a path in a command', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        if (isUnitName(text)) assert.match(text, /^[^-/\s][^/\s]*$/);
      }),
    );
  });

  it('are said as a shell user types them, a backslash in quotes', () => {
    assert.equal(unitCommand('stop', { name: 'ollama.service' }), 'systemctl stop -- ollama.service');
    assert.equal(
      unitCommand('start', { name: 'a\\x2db.service', user: 1000 }),
      "systemctl --user --machine=1000@ start -- 'a\\x2db.service'",
    );
    assert.equal(unitWords({ name: 'pipewire.service', user: 1000 }), 'pipewire.service of user 1000');
  });
});
