import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectGolden } from '../../golden.ts';
import { example, temporaryDirectory } from '../../hook/compiled.ts';
import { changes, configure, exampleGuest, guestWith, type Stage } from '../../hook/stage.ts';
import { isPlain, machine, run, shown } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const init = (on: Stage, ...args: string[]): ReturnType<typeof run> =>
  run(['init', '-', ...args, ...on.option], { input: win11.xml });
const domains = (on: Stage): string => join(on.directory, 'etc/domains');
/** Every suggestion taken in. */
const takenIn = (text: string): string => text.replace(/^ {4}# /gm, '    ');

describe('vfio-hook init', () => {
  it('writes a file that the hook trusts, and says which', () => {
    const on = machine();
    const ended = init(on);
    expectGolden('cli/golden/init.txt', shown(ended, on));
    const file = join(domains(on), `${win11.name}.yaml`);
    const text = readFileSync(file, 'utf8');
    expectGolden('cli/golden/init.yaml', text);
    assert.deepEqual(
      [statSync(file).mode & 0o7777, readdirSync(domains(on))],
      [0o644, [`${win11.name}.yaml`]],
    );
    assert.equal(changes(on), 0);
    assert.match(run(['validate', ...on.option]).stdout, /^\S+: warning: libvirt knows no guest/);
  });

  it('prints it, and writes nothing', () => {
    const on = machine();
    const ended = init(on, '--output', '-');
    expectGolden('cli/golden/init.yaml', ended.stdout);
    assert.deepEqual([ended.stderr, readdirSync(on.directory)], ['', ['machine.json']]);
  });

  it('writes to another file', () => {
    const on = machine();
    const file = join(temporaryDirectory(), 'win11.yaml');
    assert.deepEqual([init(on, '-o', file).status, readdirSync(on.directory)], [0, ['machine.json']]);
    expectGolden('cli/golden/init.yaml', readFileSync(file, 'utf8'));
    const again = init(on, '-o', file);
    assert.deepEqual([again.status, again.stdout], [1, '']);
    assert.match(again.stderr, /^vfio-hook: error: there is \S+win11\.yaml already\n/);
    writeFileSync(file, 'mine');
    assert.equal(init(on, '-o', file, '--force').status, 0);
    assert.equal(readFileSync(`${file}.bak`, 'utf8'), 'mine');
  });

  it('never replaces what is there, whatever it is called', () => {
    for (const name of [`${win11.name}.yaml`, `${win11.name}.json`, `${win11.uuid}.yml`]) {
      const on = machine();
      configure(on, `domains/${name}`, '{}');
      const ended = init(on);
      assert.deepEqual([ended.status, ended.stdout], [1, '']);
      assert.match(
        ended.stderr,
        /^vfio-hook: error: there is \S+ already\nvfio-hook: hint: --force replaces it/,
      );
      assert.deepEqual(readdirSync(domains(on)), [name]);
      assert.equal(readFileSync(join(domains(on), name), 'utf8'), '{}');
    }
  });

  it('with --force replaces it and keeps every earlier one', () => {
    const on = machine();
    configure(on, `domains/${win11.uuid}.yml`, '# first\n');
    assert.equal(init(on, '--force').status, 0);
    configure(on, `domains/${win11.name}.yaml`, '# second\n');
    assert.equal(init(on, '--force').status, 0);
    configure(on, `domains/${win11.name}.yaml`, '# third\n');
    const ended = init(on, '--force');
    assert.match(ended.stderr, /^vfio-hook: kept: \S+win11-rx7900\.yaml\.bak2\n$/);
    assert.deepEqual(
      readdirSync(domains(on)).map((name) => [
        name,
        readFileSync(join(domains(on), name), 'utf8').split('\n')[0],
      ]),
      [
        [`${win11.uuid}.yml.bak`, '# first'],
        [`${win11.name}.yaml`, '# yaml-language-server: $schema=/usr/share/vfio-hook/vfio-hook.schema.json'],
        [`${win11.name}.yaml.bak`, '# second'],
        [`${win11.name}.yaml.bak2`, '# third'],
      ],
    );
    // None of them is in the way of a start.
    assert.equal(run(['plan', '-', ...on.option], { input: win11.xml }).status, 0);
  });

  it('a directory that others may write to: nothing is written', () => {
    const on = machine();
    mkdirSync(domains(on), { recursive: true });
    chmodSync(domains(on), 0o777);
    const ended = init(on);
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, /cannot trust configuration \S+domains: everybody may write to it/);
    assert.deepEqual(readdirSync(domains(on)), []);
  });

  it('a guest without host devices has nothing to configure', () => {
    const on = machine();
    const ended = run(['init', '-', ...on.option], { input: example('domains/without-host-devices.xml') });
    assert.deepEqual([ended.status, ended.stdout], [1, '']);
    assert.match(ended.stderr, /is assigned no PCI device of the host: there is nothing to configure\n/);
  });

  it('a hostile name stays in the directory and out of the terminal', () => {
    const on = machine();
    const guest = guestWith(['0000:03:00.0'], { name: '../..\n\u009b# x: 1', uuid: win11.uuid });
    const ended = run(['init', '-', ...on.option], { input: guest.xml });
    isPlain(ended);
    assert.deepEqual([ended.status, readdirSync(domains(on))], [0, ['%2e.%2f..%0a%c2%9b%23%20x:%201.yaml']]);
    const plan = run(['plan', '-', ...on.option], { input: guest.xml });
    assert.deepEqual([plan.status, plan.stderr], [0, '']);
  });
});

describe('the file that init writes', () => {
  it('shrinks BAR 2 of a Radeon card once it is taken in', () => {
    const on = machine();
    init(on);
    const file = join(domains(on), `${win11.name}.yaml`);
    writeFileSync(file, takenIn(readFileSync(file, 'utf8')));
    const { stdout } = run(['plan', '-', ...on.option], { input: win11.xml });
    assert.match(stdout, /echo 3 > \/sys\/bus\/pci\/devices\/0000:03:00\.0\/resource2_resize/);
    assert.doesNotMatch(stdout, /resource0_resize/);
  });

  it('a device without anything to set', () => {
    const on = machine({}, 'sriov-nic');
    const { xml } = guestWith(['0000:17:02.1']);
    expectGolden(
      'cli/golden/init-nothing.yaml',
      run(['init', '-', '--output', '-', ...on.option], { input: xml }).stdout,
    );
  });
});
