import assert from 'node:assert/strict';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InspectedConfig } from '../../../src/engine/inspect-config.ts';
import { expectGolden } from '../../golden.ts';
import { repository, temporaryDirectory } from '../../hook/compiled.ts';
import { configure, exampleGuest, type Stage } from '../../hook/stage.ts';
import { isPlain, machine, run, shown } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const GUESTS = {
  [`/etc/libvirt/qemu/${win11.name}.xml`]: win11.xml,
  '/etc/libvirt/qemu/broken.xml': '<domain',
};

function checked(
  on: Stage,
  ...args: string[]
): { readonly status: number | null; readonly files: InspectedConfig[] } {
  const ended = run(['validate', '--json', ...args, ...on.option]);
  assert.equal(ended.stderr, '');
  return { status: ended.status, files: JSON.parse(ended.stdout) as InspectedConfig[] };
}

/** Texts of what is said about a file. */
function said(on: Stage, path: string, text: string): string[] {
  configure(on, path, text);
  return checked(on).files.flatMap(({ remarks }) =>
    remarks.map(({ severity, line, text: each }) => `${severity} ${line ?? '-'}: ${each}`),
  );
}

describe('vfio-hook validate', () => {
  it('no configuration at all', () => {
    const on = machine(GUESTS);
    expectGolden('cli/golden/validate-none.txt', shown(run(['validate', ...on.option]), on));
    assert.deepEqual(checked(on), { status: 0, files: [] });
  });

  it('a configuration without a fault', () => {
    const on = machine(GUESTS);
    configure(on, 'config.yaml', 'timeouts: { lock: 5s }\n');
    configure(
      on,
      `domains/${win11.name}.yaml`,
      'devices: [{ match: vga, bars: { 2: 256MiB }, driver: vfio-pci }]\n',
    );
    configure(on, 'domains/broken.yml', '');
    const { status, files } = checked(on);
    assert.equal(status, 0);
    // The processor's own graphics match "vga", too, and cannot be resized.
    assert.deepEqual(
      files.map(({ path, remarks }) => [path.replace(on.directory, ''), remarks.length]),
      [
        ['/etc/config.yaml', 0],
        ['/etc/domains/broken.yml', 0],
        [`/etc/domains/${win11.name}.yaml`, 1],
      ],
    );
  });

  it('everything that can be wrong, each with its line', () => {
    const on = machine(GUESTS);
    configure(on, 'config.yaml', 'timeout: {}\nlog: { level: loud }\ndevices:\n  - mach: vga\n');
    configure(on, 'domains/win11-rx790.yaml', 'devices:\n  - match: "0000:7f:00.0"\n');
    configure(
      on,
      `domains/${win11.name}.yaml`,
      'devices:\n\n  - match: "0000:03:00.0"\n    bars: { 2: 512MiB }\n',
    );
    configure(on, `domains/${win11.uuid}.json`, '{}');
    configure(on, `domains/${win11.name}.yaml~`, 'old');
    chmodSync(join(on.directory, 'etc/domains/win11-rx790.yaml'), 0o666);
    const ended = run(['validate', ...on.option]);
    isPlain(ended);
    expectGolden('cli/golden/validate.txt', shown(ended, on));
    expectGolden(
      'cli/golden/validate.json',
      run(['validate', '--json', ...on.option]).stdout.replaceAll(on.directory, 'MACHINE'),
    );
    assert.equal(ended.status, 2);
  });

  it('warnings alone are no problem', () => {
    const on = machine(GUESTS);
    configure(on, 'domains/somebody.yaml', 'devices: [{ match: "10de:2204" }]\n');
    const { status, files } = checked(on);
    assert.equal(status, 0);
    assert.deepEqual(
      files.flatMap(({ remarks }) => remarks.map(({ severity }) => severity)),
      ['warning', 'warning'],
    );
  });

  const rows: Readonly<Record<string, readonly [path: string, text: string, expected: readonly string[]]>> = {
    'YAML that is none': [
      'config.yaml',
      'a: [',
      ['problem 2: no valid YAML: unexpected end of the stream within a flow collection'],
    ],
    'a tag': ['config.yaml', 'log: !!str x\n', ['problem 1: tags (!…) are not allowed']],
    'a rule far down': [
      'config.yaml',
      '# 1\n# 2\ndevices:\n  - match: vga\n  - match: "1234:5678"\n',
      ['warning 5: no device of this host matches 1234:5678: the rule has no effect'],
    ],
    'drivers that no guest can use, and one that keeps the device from everybody': [
      'config.yaml',
      'devices:\n' +
        ['amdgpu', 'nosuch', 'pci-stub', 'vfio-pci']
          .map((driver) => `  - match: vga\n    driver: ${driver}\n`)
          .join(''),
      [
        'problem 3: "amdgpu" is a driver of the host: with it no guest can use the device',
        'problem 5: there is no driver "nosuch": it is not registered, and this kernel has no module of that name',
        'warning 7: "pci-stub" keeps the device from the host and from guests: a guest that is assigned the device cannot start',
      ],
    ],
    'a guest that libvirt does not know': [
      'domains/nobody.yaml',
      '',
      ['warning -: libvirt knows no guest "nobody": the file has no effect'],
    ],
    'the UUID of a guest': [`domains/${win11.uuid}.yaml`, '', []],
    'a hostile name': [
      'domains/a\u001b[2J.yaml',
      '',
      ['warning -: libvirt knows no guest "a\\u{1b}[2J": the file has no effect'],
    ],
  };
  for (const [title, [path, text, expected]] of Object.entries(rows)) {
    it(title, () => {
      assert.deepEqual(said(machine(GUESTS), path, text), expected);
    });
  }

  it('a directory that others may write to', () => {
    const on = machine(GUESTS);
    configure(on, 'config.yaml', '');
    chmodSync(join(on.directory, 'etc/domains'), 0o777);
    const { status, files } = checked(on);
    assert.equal(status, 2);
    assert.match(files.at(-1)?.remarks[0]?.text ?? '', /everybody may write to it \(mode 0777\)$/);
  });
});

describe('vfio-hook validate FILE', () => {
  it('any file, without asking who owns it', () => {
    const on = machine(GUESTS);
    const file = join(temporaryDirectory(), 'try.yaml');
    writeFileSync(file, 'devices:\n  - match: vga\n    bar: { 2: 8MiB }\n');
    chmodSync(file, 0o666);
    const ended = run(['validate', file, ...on.option]);
    assert.deepEqual(
      [ended.status, ended.stdout],
      [2, `${file}:3: problem: unknown key "bar": did you mean bars?\n1 file, 1 problem, no warnings\n`],
    );
    assert.equal(run(['validate', '/nonexistent.yaml', ...on.option]).status, 1);
  });

  it('one of the configuration, with who owns it and whose it is', () => {
    const on = machine(GUESTS);
    configure(on, 'domains/nobody.yaml', '');
    configure(on, 'config.yaml', 'broken: 1\n');
    const nobody = join(on.directory, 'etc/domains/nobody.yaml');
    assert.deepEqual(
      checked(on, nobody).files.map(({ path, remarks }) => [path, remarks.length]),
      [[nobody, 1]],
    );
    chmodSync(nobody, 0o666);
    assert.equal(checked(on, nobody).status, 2);
    assert.equal(checked(on, join(on.directory, 'etc/config.yaml')).status, 2);
  });

  it('one below a directory that others may write to is as bad as the directory', () => {
    const on = machine(GUESTS);
    configure(on, 'config.yaml', '');
    configure(on, `domains/${win11.name}.yaml`, '');
    for (const [directory, file] of [
      ['etc/domains', `etc/domains/${win11.name}.yaml`],
      ['etc', 'etc/config.yaml'],
    ] as const) {
      chmodSync(join(on.directory, directory), 0o777);
      const { status, files } = checked(on, join(on.directory, file));
      assert.deepEqual([status, files.map(({ path }) => path)], [2, [join(on.directory, directory)]]);
    }
  });

  for (const name of readdirSync(join(repository, 'examples/configs'))) {
    it(`examples/configs/${name} has no problem`, () => {
      assert.equal(checked(machine(), join(repository, 'examples/configs', name)).status, 0);
    });
  }
});
