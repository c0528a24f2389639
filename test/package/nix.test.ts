import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as distribution from '../../src/distribution.ts';
import { repository } from '../hook/compiled.ts';

const NIX = join(repository, 'test/package/nix');

interface Change {
  readonly from: string;
  readonly to: string;
}

interface Package {
  readonly pname: string;
  readonly version: string;
  readonly postPatch: string;
  readonly installPhase: string;
  readonly passthru: { readonly changes: readonly Change[] };
}

interface EtcFile {
  readonly mode: string;
  readonly source: { readonly name: string; readonly value: unknown };
}

interface System {
  readonly assertions?: readonly { readonly assertion: boolean; readonly message: string }[];
  readonly environment?: {
    readonly etc: Readonly<Record<string, EtcFile>>;
    readonly systemPackages: readonly string[];
  };
  readonly systemd?: {
    readonly packages: readonly string[];
    readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  readonly virtualisation?: { readonly libvirtd: { readonly hooks: { readonly qemu: unknown } } };
}

/** What an expression comes to. Nothing is built, and there is no store: evaluation alone needs none. */
function evaluate(file: string, settings = ''): unknown {
  const expression = `let f = import ${join(NIX, file)}; in ${settings === '' ? 'f' : `f ${settings}`}`;
  const { status, stdout, stderr } = spawnSync(
    'nix-instantiate',
    ['--eval', '--strict', '--json', '--store', 'dummy://', '-E', expression],
    { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: NIX, NIX_STATE_DIR: '/nonexistent' } },
  );
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const system = (settings: string, libvirtd = true): System =>
  (
    evaluate('module.nix', `{ settings = ${settings}; libvirtd = ${String(libvirtd)}; }`) as {
      config: System;
    }
  ).config;

describe('what is for NixOS', function () {
  this.timeout(60_000);

  before(function () {
    if (spawnSync('nix-instantiate', ['--version']).status !== 0) {
      this.test?.parent?.tests.forEach((test) => (test.title += ' (skipped: no nix-instantiate here)'));
      this.skip();
    }
  });

  it('the module does nothing unless it is enabled', () => {
    assert.deepEqual(system('{ }'), {});
  });

  it('enabled, the command is there, and a hook of libvirt', () => {
    const { environment, virtualisation, assertions } = system('{ enable = true; }');
    assert.deepEqual(environment?.systemPackages, ['/nix/store/package']);
    assert.deepEqual(virtualisation?.libvirtd.hooks.qemu, {
      '50-vfio-hook': '/nix/store/package/bin/vfio-hook',
    });
    assert.deepEqual(environment.etc, {});
    assert.deepEqual(
      assertions?.map(({ assertion }) => assertion),
      [true],
    );
  });

  it('both units come with the package; one runs before libvirt', () => {
    const units = system('{ enable = true; }').systemd;
    assert.deepEqual(units?.packages, ['/nix/store/package']);
    assert.deepEqual(units.services['vfio-hook-recover'], {
      wantedBy: ['libvirtd.service', 'virtqemud.service'],
    });
    assert.deepEqual(Object.keys(units.services).sort(), [
      'vfio-hook-awake',
      'vfio-hook-latency@',
      'vfio-hook-recover',
    ]);
    const unit = readFileSync(join(repository, 'systemd/vfio-hook-recover.service'), 'utf8');
    assert.match(unit, /^WantedBy=libvirtd\.service virtqemud\.service$/m, 'the same as elsewhere');
  });

  it('configuration becomes files of root that are no links', () => {
    const { environment } = system(
      '{ enable = true; config.timeouts.run = "2m"; domains.win11.devices = [ { match = "vga"; } ]; }',
    );
    assert.deepEqual(environment?.etc, {
      'vfio-hook/config.yaml': {
        mode: '0644',
        source: { name: 'config.yaml', value: { timeouts: { run: '2m' } } },
      },
      'vfio-hook/domains/win11.yaml': {
        mode: '0644',
        source: { name: 'win11.yaml', value: { devices: [{ match: 'vga' }] } },
      },
    });
  });

  it('says what is wrong: no libvirt, a guest whose file has another name', () => {
    const failed = (settings: string, libvirtd: boolean): string[] =>
      (system(settings, libvirtd).assertions ?? []).flatMap(({ assertion, message }) =>
        assertion ? [] : [message],
      );
    assert.match(failed('{ enable = true; }', false).join(), /virtualisation\.libvirtd\.enable = true/);
    assert.match(failed('{ enable = true; domains."a b" = { x = 1; }; }', true).join(), /the guest "a b"/);
    assert.deepEqual(failed('{ enable = true; domains."win11.pro_2-x" = { x = 1; }; }', true), []);
  });

  it('every option is described', () => {
    const { options } = evaluate('module.nix', '{ settings = { }; libvirtd = true; }') as {
      options: Record<string, { description: string }>;
    };
    assert.deepEqual(Object.keys(options).sort(), ['config', 'domains', 'enable', 'package']);
    for (const { description } of Object.values(options)) assert.match(description, /\w.*\w/);
  });

  it('the package changes what src/distribution.ts says, each text once', async () => {
    const { changes } = (evaluate('package.nix') as Package).passthru;
    let text = readFileSync(join(repository, 'src/distribution.ts'), 'utf8');
    for (const { from, to } of changes) {
      assert.equal(text.split(from).length, 2, `${from} is there once`);
      text = text.replace(from, () => to);
    }
    const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-nix-'));
    try {
      const file = join(directory, 'distribution.ts');
      writeFileSync(file, text);
      const changed = (await import(pathToFileURL(file).href)) as typeof distribution;
      assert.deepEqual(Object.keys(changed).sort(), Object.keys(distribution).sort());
      // The path of a package that is not built yet.
      const own = changed.PREFIX;
      assert.match(own, /^\/[a-z0-9]{52}$/);
      assert.equal(changed.COMMAND, `${own}/bin/vfio-hook`);
      assert.equal(changed.LIBVIRT, '/var/lib/libvirt');
      assert.deepEqual(changed.NODE_PLACES, ['/nix/store/nodejs/bin/node']);
      assert.equal(changed.STORE, '/nix/store');
      for (const path of changed.PROGRAM_DIRECTORIES) assert.match(path, /^\/(?:nix\/store|run)\/\S+$/);
      const needed = ['coreutils', 'gnugrep', 'kmod', 'util-linux', 'iproute2', 'systemd', 'bash'];
      for (const name of needed) {
        assert.ok(changed.PROGRAM_DIRECTORIES.includes(`/nix/store/${name}/bin` as never), name);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('the package has the version of the project, and install.sh the line that it changes', () => {
    const { pname, version, postPatch, installPhase } = evaluate('package.nix') as Package;
    const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Package & {
      readonly name: string;
    };
    assert.equal(pname, manifest.name);
    assert.equal(version, manifest.version);
    const [, line = ''] = /install\.sh --replace-fail '([^']+)'/.exec(postPatch) ?? [];
    const script = readFileSync(join(repository, 'install.sh'), 'utf8');
    assert.equal(script.split('\n').filter((text) => text === line).length, 1);
    assert.match(installPhase, /NODE=\/nix\/store\/nodejs\/bin\/node .*install\.sh --files$/m);
  });
});
