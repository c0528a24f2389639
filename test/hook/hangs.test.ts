import assert from 'node:assert/strict';
import type { FaultDescription } from '../../simulator/operation.ts';
import { callHook, installation, type Ended } from './compiled.ts';
import { until } from '../until.ts';
import {
  begin,
  call,
  changes,
  claims,
  configure,
  exampleGuest,
  fault,
  guestWith,
  picture,
  stage,
  succeeds,
  type Stage,
} from './stage.ts';

/*
 * Each kind of call that can wait in the kernel for ever is made to, in the compiled hook. It comes back within its
 * deadline and a second, says what waits, and leaves a claim that `recover` finishes once the kernel lets go.
 */

const DEADLINE_MS = 400;
/** So long that two of it are more than one and a second. */
const LONG_MS = 2000;
const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const win11 = exampleGuest('windows-11-rx7900xtx');
const rival = guestWith([GPU], { name: 'rival', uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11' });

interface Hang {
  readonly what: string;
  readonly rule: Omit<FaultDescription, 'effect'>;
  /** What the first line names. */
  readonly names: string;
  /** Happens to the machine before the call. */
  readonly given?: (on: Stage) => void;
}

const starts: readonly Hang[] = [
  { what: 'loading vfio-pci', rule: { on: 'load', path: 'vfio-pci' }, names: 'load module vfio-pci' },
  {
    what: 'setting an override',
    rule: { path: `*/${SOUND}/driver_override` },
    names: `set driver override of ${SOUND}`,
  },
  {
    what: 'unbinding the sound function',
    rule: { path: '*/snd_hda_intel/unbind', value: SOUND },
    names: `unbind ${SOUND} from snd_hda_intel`,
  },
  {
    what: 'unbinding the graphics function',
    rule: { path: '*/amdgpu/unbind', value: GPU },
    names: `unbind ${GPU} from amdgpu`,
  },
  { what: 'resizing a BAR', rule: { path: `*/${GPU}/resource2_resize` }, names: `resize BAR 2 of ${GPU}` },
  {
    what: 'binding to vfio-pci',
    rule: { path: '*/vfio-pci/bind', value: GPU },
    names: `bind ${GPU} to vfio-pci`,
  },
];

const ends: readonly Hang[] = [
  {
    what: 'unbinding from vfio-pci',
    rule: { path: '*/vfio-pci/unbind', value: SOUND },
    names: `unbind ${SOUND} from vfio-pci`,
  },
  {
    what: 'resizing the BAR back',
    rule: { path: `*/${GPU}/resource2_resize` },
    names: `resize BAR 2 of ${GPU}`,
  },
  {
    what: 'clearing an override',
    rule: { path: `*/${SOUND}/driver_override` },
    names: `clear driver override of ${SOUND}`,
  },
  { what: 'binding to amdgpu', rule: { path: '*/amdgpu/bind', value: GPU }, names: `bind ${GPU} to amdgpu` },
  {
    what: 'binding to snd_hda_intel',
    rule: { path: '*/snd_hda_intel/bind', value: SOUND },
    names: `bind ${SOUND} to snd_hda_intel`,
  },
  {
    what: 'setting power control',
    rule: { path: `*/${SOUND}/power/control` },
    names: `set power control of ${SOUND}`,
  },
  {
    what: 'loading the host driver again',
    rule: { on: 'load', path: 'snd_hda_intel' },
    names: 'load module snd_hda_intel',
    given: ({ machine }) => {
      machine.perform({ do: 'unload', module: 'snd_hda_intel' });
    },
  },
];

/** The machine with a configuration that needs every kind of write. */
function machine(deadlineMs = DEADLINE_MS): Stage {
  const on = stage('amd-rdna3-desktop', (spec) => ({
    ...spec,
    // The other card of that driver: with it the module could not be unloaded.
    devices: spec.devices.filter(({ address }) => address !== '0000:0f:00.1'),
  }));
  configure(
    on,
    'config.yaml',
    `timeouts: { kernelWrite: ${deadlineMs}ms }\ndevices:\n  - { match: "${GPU}", bars: { 2: 8MiB } }\n`,
  );
  return on;
}

function command(on: Stage, ...args: readonly string[]): Ended {
  return callHook([...args, ...on.option], { program: installation().command });
}

/** The call comes back in time, with status 1 and this in its first line. */
function comesBack(on: Stage, moment: 'prepare' | 'release', names: string, deadlineMs = DEADLINE_MS): void {
  const started = performance.now();
  const ended = call(on, win11, moment);
  const took = performance.now() - started;
  // A run is late by one deadline (test/engine/execute.test.ts, by the simulated clock); the rest is for a busy computer.
  assert.ok(took < deadlineMs + 5000, `it took ${took.toFixed(0)} ms`);
  assert.equal(ended.status, 1, ended.stderr);
  const [first = ''] = ended.stderr.split('\n');
  assert.ok(first.startsWith('vfio-hook: error: '), first);
  assert.ok(first.includes(names), first);
}

/** From here on: known to everybody, touched by nobody, and over once the kernel lets go. */
function isLeftAloneUntilItReturns(on: Stage, names: string, before: unknown): void {
  const claim = claims(on)[`${win11.uuid}.json`];
  assert.equal(claim?.state, 'stuck');
  assert.equal(claim.stuck.length, 1);
  const status = command(on, 'status');
  assert.equal(status.status, 2, status.stderr);
  assert.ok(status.stdout.includes(names), status.stdout);

  const count = changes(on);
  const other = call(on, rival, 'prepare');
  assert.equal(other.status, 1, other.stderr);
  assert.equal(changes(on), count, 'a write was made beside one that has not returned');

  on.machine.perform({ do: 'release-fault', id: 'hang' });
  const recovered = command(on, 'recover');
  assert.deepEqual([recovered.status, recovered.stderr], [0, '']);
  assert.deepEqual([picture(on), claims(on)], [before, {}]);
  assert.equal(command(on, 'status').status, 0);
}

describe('a call that waits in the kernel for ever', function () {
  this.timeout(60_000);

  for (const { what, rule, names } of starts) {
    it(`does not keep libvirt waiting at the start: ${what}`, () => {
      const on = machine();
      const before = picture(on);
      fault(on, { id: 'hang', times: 1, ...rule, effect: { kind: 'hang' } });
      comesBack(on, 'prepare', names);
      isLeftAloneUntilItReturns(on, names, before);
    });
  }

  for (const { what, rule, names, given } of ends) {
    it(`does not keep libvirt waiting at the end: ${what}`, () => {
      const on = machine();
      const before = picture(on);
      succeeds(on, win11, 'prepare');
      given?.(on);
      fault(on, { id: 'hang', times: 1, ...rule, effect: { kind: 'hang' } });
      comesBack(on, 'release', names);
      isLeftAloneUntilItReturns(on, names, before);
    });
  }

  for (const [on, path] of [
    ['remove', `snd_hda_intel/${SOUND}`],
    ['remove', `amdgpu/${GPU}`],
    ['probe', `vfio-pci/${GPU}`],
  ] as const) {
    it(`is waited for by the release when it ends by itself after its start was killed: ${on} ${path}`, async () => {
      const stage = machine(LONG_MS * 5);
      const before = picture(stage);
      fault(stage, { on, path, effect: { kind: 'slow', ms: 1500 } });
      const { process: hook, ended } = begin(stage, win11, 'prepare');
      const host = stage.machine.host();
      const inTheDriver = `/${path.split('/')[0] ?? ''}/${on === 'probe' ? 'bind' : 'unbind'}`;
      await until(() => host.blockedWrites().some((write) => write.path.endsWith(inTheDriver)));
      hook.kill('SIGKILL');
      await ended;
      assert.equal(claims(stage)[`${win11.uuid}.json`]?.state, 'preparing');
      succeeds(stage, win11, 'release');
      assert.deepEqual([picture(stage), claims(stage)], [before, {}]);
    });
  }

  it('costs one deadline when several writes of one release hang, and recover finishes them all', () => {
    const on = machine(LONG_MS);
    const before = picture(on);
    succeeds(on, win11, 'prepare');
    fault(on, { id: 'hang', path: '*/vfio-pci/unbind', effect: { kind: 'hang' }, times: 'always' });
    comesBack(on, 'release', `unbind ${SOUND} from vfio-pci`, LONG_MS);
    assert.deepEqual(
      claims(on)[`${win11.uuid}.json`]?.stuck.map(({ device }) => device),
      [SOUND, GPU],
    );
    on.machine.perform({ do: 'release-fault', id: 'hang' });
    assert.equal(command(on, 'recover').status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('costs one deadline when undoing a start that hangs hangs, too', () => {
    const on = machine(LONG_MS);
    const before = picture(on);
    fault(on, { id: 'bind', path: '*/vfio-pci/bind', value: GPU, effect: { kind: 'hang' } });
    fault(on, { id: 'undo', path: '*/snd_hda_intel/bind', effect: { kind: 'hang' } });
    comesBack(on, 'prepare', `bind ${GPU} to vfio-pci`, LONG_MS);
    for (const id of ['bind', 'undo']) on.machine.perform({ do: 'release-fault', id });
    assert.equal(command(on, 'recover').status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('is refused at once when it is a read', () => {
    const on = machine();
    const before = picture(on);
    fault(on, { id: 'hang', on: 'read', path: `*/${SOUND}/driver_override`, effect: { kind: 'hang' } });
    comesBack(on, 'prepare', `/sys/bus/pci/devices/${SOUND}/driver_override`);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('is refused when the card itself does not answer: its configuration space is read in a child', () => {
    const on = machine();
    const before = picture(on);
    fault(on, { id: 'hang', on: 'read', path: `*/${GPU}/config`, effect: { kind: 'hang' } });
    comesBack(on, 'prepare', `the kernel does not answer for /sys/bus/pci/devices/${GPU}/config`);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });

  it('does not lose an override that cannot be read at the end: the claim stays for recover', () => {
    const on = machine();
    const before = picture(on);
    succeeds(on, win11, 'prepare');
    const path = `/sys/bus/pci/devices/${SOUND}/driver_override`;
    fault(on, { on: 'read', path, effect: { kind: 'fail', errno: 'EIO' } });
    comesBack(on, 'release', `cannot read ${path}: EIO (input/output error)`);
    assert.equal(claims(on)[`${win11.uuid}.json`]?.state, 'incomplete');
    assert.equal(command(on, 'recover').status, 0);
    assert.deepEqual([picture(on), claims(on)], [before, {}]);
  });
});
