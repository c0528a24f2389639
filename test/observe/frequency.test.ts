import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import type { Host } from '../../src/host/host.ts';
import { policiesOf } from '../../src/observe/frequency.ts';
import { machineSpec } from '../scenario.ts';

const spec = {
  driver: 'acpi-cpufreq',
  policies: 6,
  cpus: 2,
  governors: ['performance'],
  governor: 'performance',
};

function host(): Host {
  return createMachine(machineSpec('lab-q35', { cpufreq: spec })).host();
}

describe('frequency policies', () => {
  it('are those of the CPUs, each once, in the order of their numbers', () => {
    assert.deepEqual(policiesOf(host(), [11, 10, 3]), ['policy2', 'policy10']);
    assert.deepEqual(policiesOf(host(), [12, 400]), []);
  });

  it('are all of them without CPUs', () => {
    const all = ['policy0', 'policy2', 'policy4', 'policy6', 'policy8', 'policy10'];
    assert.deepEqual(policiesOf(host()), all);
  });

  it('are none on a host that does not set the frequency', () => {
    assert.deepEqual(policiesOf(createMachine(machineSpec('lab-q35')).host()), []);
  });

  it('are not those whose CPUs are all offline, and nothing else that is there', () => {
    const real = host();
    const offline: Host = {
      ...real,
      list: (path) => [...(real.list(path) ?? []), 'boost', 'policy01'],
      read: (path) =>
        path.includes('/policy2/') ? undefined : path.includes('/policy4/') ? '\n' : real.read(path),
    };
    assert.deepEqual(policiesOf(offline), ['policy0', 'policy6', 'policy8', 'policy10']);
    assert.deepEqual(policiesOf(offline, [0, 2, 4]), ['policy0']);
  });
});
