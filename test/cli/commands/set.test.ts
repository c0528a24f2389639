import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { examineConfigFile } from '../../../src/config/decode.ts';
import { editConfig } from '../../../src/config/edit.ts';
import { readSetting, settings } from '../../../src/cli/settings.ts';
import { changes, configure, exampleGuest, type Stage } from '../../hook/stage.ts';
import { machine, run } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const FILE = `domains/${win11.name}.yaml`;
const path = (on: Stage): string => join(on.directory, 'etc', FILE);
const call = (on: Stage, ...args: string[]): ReturnType<typeof run> =>
  run([args[0] ?? '', '-', ...args.slice(1), ...on.option], { input: win11.xml });

describe('vfio-hook set', () => {
  it('writes a file that the hook trusts, and shows the lines', () => {
    const on = machine();
    const { status, stdout, stderr } = call(on, 'set', '03:00.0', 'bar2=8MiB');
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(
      stdout.replaceAll(on.directory, ''),
      `+devices:
+  - match: "0000:03:00.0"
+    bars:
+      2: 8MiB
written: /etc/${FILE}
`,
    );
    assert.equal(
      readFileSync(path(on), 'utf8'),
      'devices:\n  - match: "0000:03:00.0"\n    bars:\n      2: 8MiB\n',
    );
    assert.equal(statSync(path(on)).mode & 0o7777, 0o644);
    assert.equal(changes(on), 0);
    const plan = run(['plan', '-', ...on.option], { input: win11.xml });
    assert.match(plan.stdout, /BAR 2 .*8 MiB/);
  });

  it('changes what is there, and keeps everything else of the file, its name and no copy of it', () => {
    const on = machine();
    const yml = `domains/${win11.uuid}.yml`;
    const text = '# mine\ndevices:\n  - match: "0000:03:00.0" # card\n    bars: { 2: 256MiB }\n';
    configure(on, yml, text);
    assert.equal(call(on, 'set', '0000:03:00.0', 'bar2=8MiB', 'governor=performance').status, 0);
    assert.deepEqual(readdirSync(join(on.directory, 'etc/domains')), [`${win11.uuid}.yml`]);
    assert.equal(
      readFileSync(join(on.directory, 'etc', yml), 'utf8'),
      `${text.replace('256MiB', '8MiB')}governor: performance\n`,
    );
  });

  it('only shows it with --dry-run', () => {
    const on = machine();
    assert.match(call(on, 'set', '--dry-run', 'display=auto').stdout, /^\+display:\n\+ {2}release: auto$/m);
    assert.ok(!existsSync(path(on)));
  });

  it('says so when nothing changes', () => {
    const on = machine();
    configure(on, FILE, 'governor: performance\n');
    assert.match(call(on, 'set', 'governor=performance').stdout, /^nothing to change in \S+\n$/);
    assert.match(call(on, 'unset', 'latency').stdout, /^nothing to change in \S+\n$/);
  });

  it('takes nothing that is no valid configuration, and leaves the file as it is', () => {
    for (const [words, why] of [
      [['03:00.0', 'bar2=7MiB'], /would not be valid with that: line 4: .*no BAR size/],
      [['03:00.0', 'd3cold=maybe'], /would not be valid with that: .*true or false/],
      [['03:00.0', 'allow=everything'], /would not be valid with that/],
      [['governor=turbo'], /would not be valid with that/],
      [['stop=libvirtd.service'], /would not be valid with that/],
    ] as const) {
      const on = machine();
      const { status, stdout, stderr } = call(on, 'set', ...words);
      assert.deepEqual([status, stdout], [1, ''], words.join(' '));
      assert.match(stderr, /^vfio-hook: error: /);
      assert.match(stderr, why);
      assert.ok(!existsSync(path(on)));
    }
  });

  it('builds on no file that is broken, that is JSON, or that others may write to', () => {
    for (const [name, text, why] of [
      [FILE, 'devices: [\n', /is not valid as it is: line/],
      [`domains/${win11.name}.json`, '{}', /is JSON, and only YAML is changed/],
    ] as const) {
      const on = machine();
      configure(on, name, text);
      const { status, stderr } = call(on, 'set', 'governor=performance');
      assert.equal(status, 1);
      assert.match(stderr, why);
      assert.equal(readFileSync(join(on.directory, 'etc', name), 'utf8'), text);
    }
    const on = machine();
    configure(on, FILE, '{}\n');
    chmodSync(path(on), 0o666);
    assert.match(call(on, 'set', 'governor=performance').stderr, /error: .*(?:write|mode)/);
    assert.equal(readFileSync(path(on), 'utf8'), '{}\n');
  });

  it('warns of what has no effect here, once, and writes it all the same', () => {
    const on = machine();
    for (const words of [['7f:00.0', 'bar2=8MiB'], ['governor=performance']]) {
      const { status, stderr } = call(on, 'set', ...words);
      assert.equal(status, 0);
      assert.match(stderr, /^vfio-hook: warning: .*0000:7f:00\.0/);
      assert.equal(stderr.match(/0000:7f:00\.0/g)?.length, 1, stderr);
    }
  });

  it('refuses words that it does not know', () => {
    const on = machine();
    for (const [words, why] of [
      [['bar2=8MiB'], /bar2 is about one device, and none is named/],
      [['03:00.0'], /what is to be set is missing/],
      [['03:00.0', 'bar2'], /bar2 has no value/],
      [['03:00.0', 'bar2='], /bar2 has no value/],
      [['03:00.0', 'bar9=1MiB'], /there is no setting "bar9".*\n.*did you mean bar/],
      [['03:00.0', '__proto__=1'], /there is no setting/],
    ] as const) {
      const { status, stderr } = call(on, 'set', ...words);
      assert.equal(status, 2, words.join(' '));
      assert.match(stderr, why);
    }
    assert.ok(!existsSync(path(on)));
  });

  it('has an example for each word that the configuration takes', () => {
    for (const { word, of, example } of settings) {
      assert.ok(example.startsWith(`${word}=`));
      const edit = readSetting(example, of === 'device' ? '0000:03:00.0' : undefined, 'set');
      const examined = examineConfigFile(editConfig('', [edit]), 'x.yaml');
      assert.equal(examined.kind, 'fits', `${example}: ${JSON.stringify(examined)}`);
    }
  });
});

describe('vfio-hook unset', () => {
  it('takes out what set has written, and the file is what it was', () => {
    const on = machine();
    configure(on, FILE, '# mine\nlog: { level: debug }\n');
    assert.equal(call(on, 'set', '03:00.0', 'bar2=8MiB', 'display=auto').status, 0);
    const { status, stdout } = call(on, 'unset', '03:00.0', 'bar2', 'display');
    assert.equal(status, 0);
    assert.match(stdout, /^- {4}bars:$/m);
    assert.equal(readFileSync(path(on), 'utf8'), '# mine\nlog: { level: debug }\n');
  });

  it('takes no value', () => {
    const { status, stderr } = call(machine(), 'unset', '03:00.0', 'bar2=8MiB');
    assert.equal(status, 2);
    assert.match(stderr, /unset takes bar2 out of the file, whatever its value is/);
  });
});
