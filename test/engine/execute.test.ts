import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import { budgetOf } from '../../src/engine/budget.ts';
import { execute, type ExecuteOptions, type Failure } from '../../src/engine/execute.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import type { LogEntry } from '../../src/log/log.ts';
import type { Step } from '../../src/steps/step.ts';
import { machineSpec, pci } from '../scenario.ts';

const GPU = pci('0000:03:00.0');
const SOUND = pci('0000:03:00.1');
const steps: readonly Step[] = [
  { kind: 'set', attribute: 'driver-override', key: GPU, to: 'vfio-pci' },
  { kind: 'unbind', device: GPU, driver: 'amdgpu' },
  { kind: 'set', attribute: 'driver-override', key: SOUND, to: 'vfio-pci' },
  { kind: 'set', attribute: 'power-control', key: GPU, to: 'auto' },
];

function run(
  machine: Machine,
  rest: Partial<ExecuteOptions> = {},
  list: readonly Step[] = steps,
): { done: Promise<readonly Failure[]>; log: LogEntry[] } {
  const log: LogEntry[] = [];
  const done = execute(list, {
    host: machine.host(),
    log: { write: (entry) => log.push(entry), close: () => undefined },
    guest: 'win11',
    budget: budgetOf(machine.host(), { kernelWrite: 2500, run: 10_000 }),
    onFailure: 'stop',
    ...rest,
  });
  return { done, log };
}

const paths = (machine: Machine): string[] =>
  machine.journal().map(({ path }) => path.split('/').slice(-2).join('/'));

describe('execute', () => {
  let machine: Machine;
  beforeEach(() => {
    machine = createMachine(machineSpec('amd-rdna3-desktop'));
  });

  it('does the steps in order, and logs each before the next', async () => {
    const { done, log } = run(machine);
    assert.deepEqual(await done, []);
    assert.deepEqual(paths(machine), [
      `${GPU}/driver_override`,
      'amdgpu/unbind',
      `${SOUND}/driver_override`,
      'power/control',
    ]);
    assert.deepEqual(
      log.map(({ severity, message, guest, device, result }) => [severity, message, guest, device, result]),
      [GPU, GPU, SOUND, GPU].map((device) => ['info', 'step', 'win11', device, 'done']),
    );
    assert.ok(log.every(({ durationMs }) => durationMs !== undefined && durationMs >= 0));
  });

  it('logs what is so already as skipped', async () => {
    await run(machine).done;
    const { done, log } = run(machine);
    assert.deepEqual(await done, []);
    assert.deepEqual(
      log.map(({ result }) => result),
      ['skipped', 'skipped', 'skipped', 'skipped'],
    );
    assert.equal(machine.journal().length, 4);
  });

  it('stops at the first failure when all or nothing is wanted', async () => {
    machine.perform({ do: 'fault', rule: { path: '*/unbind', effect: { kind: 'fail', errno: 'EBUSY' } } });
    const { done, log } = run(machine);
    const failures = await done;
    assert.deepEqual(failures, [
      { step: steps[1], sentence: `cannot unbind ${GPU} from amdgpu: EBUSY`, hints: [], errno: 'EBUSY' },
    ]);
    assert.deepEqual(paths(machine), [`${GPU}/driver_override`, 'amdgpu/unbind']);
    assert.deepEqual([log.at(-1)?.severity, log.at(-1)?.result], ['err', 'failed: EBUSY']);
  });

  it('goes on with the other devices when as much as can be is wanted', async () => {
    machine.perform({ do: 'fault', rule: { path: '*/unbind', effect: { kind: 'fail', errno: 'EBUSY' } } });
    const failures = await run(machine, { onFailure: 'next-device' }).done;
    assert.deepEqual(
      failures.map(({ step }) => step),
      [steps[1]],
    );
    assert.deepEqual(paths(machine), [`${GPU}/driver_override`, 'amdgpu/unbind', `${SOUND}/driver_override`]);
  });

  it('reports a write that does not return with its device, its attribute and its writer', async () => {
    machine.perform({ do: 'fault', rule: { path: '*/unbind', effect: { kind: 'hang' } } });
    const [failure] = await run(machine).done;
    const pid = failure?.stuck?.writer.pid;
    assert.equal(
      failure?.sentence,
      `cannot unbind ${GPU} from amdgpu: the kernel did not finish within 2.5 s (process ${pid ?? '?'} still waits in it)`,
    );
    assert.deepEqual(
      { ...failure.stuck, writer: 0 },
      {
        device: GPU,
        step: `unbind ${GPU} from amdgpu`,
        path: '/sys/bus/pci/drivers/amdgpu/unbind',
        writer: 0,
        nodes: ['/dev/dri/card1', '/dev/dri/renderD129', '/dev/vfio/16'],
      },
    );
    assert.deepEqual(failure.hints.map(hintText), [
      'end the program that uses the device; see: vfio-hook status',
    ]);
  });

  it('names who has the device open that a write waits for, though nobody had when it was looked at', async () => {
    const path = '/dev/snd/pcmC1D3p';
    machine.perform({ do: 'hold-node', path, program: 'aplay' });
    const [failure] = await run(machine, {}, [{ kind: 'unbind', device: SOUND, driver: 'snd_hda_intel' }])
      .done;
    const [holder] = machine.host().holders([path]);
    assert.ok(holder && failure?.stuck);
    assert.equal(
      failure.sentence,
      `cannot unbind ${SOUND} from snd_hda_intel: the kernel did not finish within 2.5 s (process ${failure.stuck.writer.pid} still waits in it), and ${path} is open in "aplay" (pid ${holder.pid})`,
    );
    assert.deepEqual(failure.hints.map(hintText), [`end that program: kill ${holder.pid}`]);
  });

  it('waits for one whole deadline only, however many writes do not return', async () => {
    machine.perform({ do: 'fault', rule: { path: '*/unbind', effect: { kind: 'hang' }, times: 'always' } });
    const host = machine.host();
    const started = host.now();
    const unbinds: readonly Step[] = [
      { kind: 'unbind', device: GPU, driver: 'amdgpu' },
      { kind: 'unbind', device: SOUND, driver: 'snd_hda_intel' },
    ];
    const failures = await run(machine, { host, onFailure: 'next-device' }, unbinds).done;
    assert.deepEqual(
      failures.map(({ stuck }) => stuck?.device),
      [GPU, SOUND],
    );
    assert.ok(host.now() - started < 3500, `${host.now() - started} ms`);
  });

  it('asks before each step whether to stop, and writes nothing more then', async () => {
    let asked = 0;
    const interrupted = (): string | undefined => ((asked += 1) === 3 ? 'SIGTERM' : undefined);
    const failures = await run(machine, { interrupted }).done;
    assert.deepEqual(failures, [
      {
        step: steps[2],
        sentence: `stopped before: set driver override of ${SOUND} to vfio-pci (SIGTERM)`,
        hints: [],
      },
    ]);
    assert.equal(machine.journal().length, 2);
  });

  it('takes an error of this process itself for a failed step', async () => {
    const host = machine.host();
    const broken = {
      ...host,
      readLink: (path: string) => {
        if (path.endsWith('/driver'))
          throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE', path });
        return host.readLink(path);
      },
    };
    const [failure] = await run(machine, { host: broken }).done;
    const driver = `/sys/bus/pci/devices/${GPU}/driver`;
    assert.equal(
      failure?.sentence,
      `cannot unbind ${GPU} from amdgpu: cannot use ${driver}: EMFILE (too many open files)`,
    );
    assert.equal(failure.errno, 'EMFILE');
  });
});
