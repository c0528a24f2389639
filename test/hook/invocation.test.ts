import assert from 'node:assert/strict';
import { actionOf, parseInvocation, simulatedMachine, type Action } from '../../src/hook/invocation.ts';

describe('parseInvocation', () => {
  it('takes the arguments by their place, whatever they look like', () => {
    for (const guest of ['win11', '--help', '-', '..', 'a b\n', '', '$(id)']) {
      assert.deepEqual(parseInvocation([guest, '--prepare', '-x', 'from snapshot']), {
        guest,
        operation: '--prepare',
        subOperation: '-x',
        extra: 'from snapshot',
      });
    }
  });

  it('a missing reason is "-", as older versions of libvirt have it', () => {
    assert.equal(parseInvocation(['vm', 'release', 'end'])?.extra, '-');
  });

  it('fewer than three arguments are no call of libvirt', () => {
    for (const args of [[], ['vm'], ['vm', 'prepare']]) assert.equal(parseInvocation(args), undefined);
  });
});

describe('actionOf', () => {
  const table: readonly (readonly [operation: string, subOperation: string, action: Action])[] = [
    ['prepare', 'begin', 'prepare'],
    ['release', 'end', 'release'],
    ['start', 'begin', 'start'],
    ['started', 'begin', 'nothing'],
    ['stopped', 'end', 'nothing'],
    ['reconnect', 'begin', 'nothing'],
    ['attach', 'begin', 'nothing'],
    ['migrate', 'begin', 'nothing'],
    ['restore', 'begin', 'nothing'],
    ['prepare', 'end', 'nothing'],
    ['release', 'begin', 'nothing'],
    ['PREPARE', 'BEGIN', 'nothing'],
    ['prepare ', 'begin', 'nothing'],
    ['toString', '__proto__', 'nothing'],
  ];
  for (const [operation, subOperation, action] of table) {
    it(`${operation}/${subOperation}: ${action}`, () => {
      assert.equal(actionOf({ guest: 'prepare', operation, subOperation, extra: 'begin' }), action);
    });
  }
});

describe('simulatedMachine', () => {
  it('is chosen by exactly two arguments after libvirt’s four', () => {
    assert.equal(simulatedMachine(['vm', 'prepare', 'begin', '-', '--simulated-machine', '/m']), '/m');
  });

  it('is chosen by nothing that libvirt, a guest or a configuration could give', () => {
    const option = '--simulated-machine';
    for (const args of [
      [],
      ['vm', 'prepare', 'begin', '-'],
      [option, '/m', 'begin', '-'],
      ['vm', option, '/m', '-'],
      ['vm', 'prepare', option, '/m'],
      ['vm', 'prepare', 'begin', option],
      ['vm', 'prepare', 'begin', '-', option],
      ['vm', 'prepare', 'begin', '-', `${option}=/m`],
      ['vm', 'prepare', 'begin', option, '/m', '-'],
      ['vm', 'prepare', 'begin', '-', '-', option, '/m'],
      ['vm', 'prepare', 'begin', '-', option, '/m', '-'],
    ]) {
      assert.equal(simulatedMachine(args), undefined, args.join(' '));
    }
  });
});
