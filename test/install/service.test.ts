import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AWAKE_UNIT } from '../../src/pci/sleep.ts';
import { isLatencyUnit, LATENCY_TEMPLATE, latencyUnit } from '../../src/pci/latency.ts';
import { locations } from '../../src/hook/engine.ts';
import { repository, temporaryDirectory } from '../hook/compiled.ts';
import { installer } from './installer.ts';

const UNIT = 'vfio-hook-recover.service';
const LATENCY = 'vfio-hook-latency@.service';

function needs(context: Mocha.Context, program: string): void {
  if (!spawnSync(program, ['--version']).error) return;
  console.warn(`        skipped: ${program} is not installed`);
  context.skip();
}

/** The unit as it is installed, but for what it starts. */
function unit(): string {
  const file = join(temporaryDirectory(), UNIT);
  const text = readFileSync(join(repository, 'systemd', UNIT), 'utf8');
  writeFileSync(file, text.replace('@COMMAND@', '/bin/true').replaceAll('@PREFIX@', '/usr'));
  return file;
}

describe(UNIT, () => {
  it('is a unit that systemd understands', function () {
    needs(this, 'systemd-analyze');
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit()], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /vfio-hook/);
  });

  it('is exposed less than 4 of 10, by systemd’s own count', function () {
    needs(this, 'systemd-analyze');
    const { stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', unit()],
      {
        encoding: 'utf8',
      },
    );
    const level = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    assert.ok(level !== undefined && Number(level) < 4, `${stdout}${stderr}`);
  });

  it('keeps what recover needs: /sys, modules, all processes, devices, and a place for claims and the log', () => {
    const text = readFileSync(join(repository, 'systemd', UNIT), 'utf8');
    const settings = new Map(
      [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']): [string, string] => [
        name,
        value,
      ]),
    );
    for (const taken of [
      'ProtectKernelTunables',
      'ProtectKernelModules',
      'ProtectProc',
      'ProcSubset',
      'PrivateDevices',
      'ProtectClock',
      'DevicePolicy',
      'PrivateNetwork',
      'PrivateUsers',
      'MemoryDenyWriteExecute',
    ])
      assert.equal(settings.get(taken), undefined, taken);
    const { stateDirectory, logFile } = locations(undefined);
    const writable = (settings.get('ReadWritePaths') ?? '').split(' ').map((path) => path.replace(/^-/, ''));
    assert.ok(writable.includes(stateDirectory));
    assert.ok(writable.some((path) => logFile.startsWith(`${path}/`)));
    for (const capability of ['CAP_SYS_MODULE', 'CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH', 'CAP_DAC_OVERRIDE'])
      assert.ok(settings.get('CapabilityBoundingSet')?.split(' ').includes(capability), capability);
    assert.ok(settings.get('SystemCallFilter')?.split(' ').includes('finit_module'));
  });
});

describe(LATENCY, () => {
  const text = readFileSync(join(repository, 'systemd', LATENCY), 'utf8');
  /** An instance of the template, as it is installed. */
  const instance = (): string => {
    const file = join(temporaryDirectory(), LATENCY);
    writeFileSync(file, text.replaceAll('@PREFIX@', '/usr'));
    return file.replace('@.', '@20.');
  };

  it('is a template that systemd understands', function () {
    needs(this, 'systemd-analyze');
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', instance()], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /vfio-hook/);
  });

  it('is what the program starts', () => {
    assert.equal(LATENCY, LATENCY_TEMPLATE);
    assert.ok(isLatencyUnit(latencyUnit(20)));
  });

  it('writes the number in hexadecimal by one write of ten bytes, and keeps the file open when the shell has ended', () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'cpu_dma_latency');
    writeFileSync(file, '');
    const [, command = ''] = /^ExecStart=\/bin\/sh -c '(.*)' sh %i$/m.exec(text) ?? [];
    // As systemd does (systemd.service(5), "Command lines").
    const script = command.replaceAll('%%', '%').replaceAll('$$', '$').replace('/dev/cpu_dma_latency', file);
    const held = `${script}; test -e /proc/$!/fd/3 && readlink /proc/$!/fd/3; kill $!`;
    const { status, stdout, stderr } = spawnSync('sh', ['-c', held, 'sh', '20'], { encoding: 'utf8' });
    assert.deepEqual([status, stdout, stderr], [0, `${file}\n`, '']);
    assert.equal(readFileSync(file, 'utf8'), '0x00000014');
    const refused = script.replace(file, join(directory, 'nowhere/file'));
    assert.notEqual(spawnSync('sh', ['-c', refused, 'sh', '20']).status, 0);
  });

  it('has nothing but its device', function () {
    needs(this, 'systemd-analyze');
    const { stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--no-pager', instance()],
      { encoding: 'utf8' },
    );
    const level = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    assert.ok(level !== undefined && Number(level) < 2, `${stdout}${stderr}`);
  });

  it('is installed, and removed at the end', () => {
    const it1 = installer();
    it1.run();
    const file = join(it1.root, 'usr/lib/systemd/system', LATENCY);
    assert.equal(readFileSync(file, 'utf8'), text.replaceAll('@PREFIX@', '/usr'));
    it1.run(['--uninstall']);
    assert.equal(existsSync(file), false);
  });
});

describe(AWAKE_UNIT, () => {
  const text = readFileSync(join(repository, 'systemd', AWAKE_UNIT), 'utf8');
  const unit = (): string => {
    const file = join(temporaryDirectory(), AWAKE_UNIT);
    writeFileSync(file, text.replaceAll('@PREFIX@', '/usr'));
    return file;
  };

  it('is a unit that systemd understands, and nobody enables', function () {
    needs(this, 'systemd-analyze');
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit()], { encoding: 'utf8' });
    assert.doesNotMatch(stderr, /vfio-hook(?!.*systemd-inhibit is not executable)/);
    assert.doesNotMatch(text, /^\[Install\]/m);
  });

  it('blocks sleep alone, in our name, and says that it has started when it does', () => {
    const [, outer = '', inner = ''] = /^ExecStart=sh -c '([^']*)' sh '([^']*)'$/m.exec(text) ?? [];
    const directory = temporaryDirectory();
    const stub = (name: string, script: string): void => {
      writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    };
    // As the real one: it passes everything on but that variable (seen with systemd 257).
    stub(
      'systemd-inhibit',
      'while [ "$1" != sh ]; do echo "$1"; shift; done; unset NOTIFY_SOCKET; exec "$@"',
    );
    stub('systemd-notify', 'echo "$1 to $NOTIFY_SOCKET"');
    stub('sleep', 'echo "sleeps $1"');
    const asSystemdReads = (script: string): string => script.replaceAll('$$', '$');
    const { stdout, stderr } = spawnSync('sh', ['-c', asSystemdReads(outer), 'sh', asSystemdReads(inner)], {
      encoding: 'utf8',
      env: { PATH: `${directory}:/usr/bin:/bin`, NOTIFY_SOCKET: '/run/it' },
    });
    assert.equal(stderr, '');
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      '--what=sleep',
      '--mode=block',
      '--who=vfio-hook',
      '--why=a guest has devices of this host',
      '--ready to /run/it',
      'sleeps infinity',
    ]);
  });

  it('has little but the bus', function () {
    needs(this, 'systemd-analyze');
    const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit()], {
      encoding: 'utf8',
    });
    const level = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1];
    assert.ok(level !== undefined && Number(level) < 2.5, stdout);
  });
});

describe('the rules for logrotate', () => {
  const installed = '/etc/logrotate.d/vfio-hook';

  it('are for the log that the program writes', () => {
    const text = readFileSync(join(repository, 'logrotate/vfio-hook'), 'utf8');
    assert.ok(text.includes(`\n${locations(undefined).logFile} {\n`));
  });

  it('are understood', function () {
    needs(this, 'logrotate');
    const state = join(temporaryDirectory(), 'state');
    const { status, stderr } = spawnSync(
      'logrotate',
      ['-d', '-s', state, join(repository, 'logrotate/vfio-hook')],
      {
        encoding: 'utf8',
      },
    );
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /^error:/m);
  });

  it('are installed, left as they are when somebody has changed them, and removed at the end', () => {
    const it1 = installer();
    it1.run();
    const file = it1.root + installed;
    assert.equal(readFileSync(file, 'utf8'), readFileSync(join(repository, 'logrotate/vfio-hook'), 'utf8'));
    writeFileSync(file, 'mine');
    assert.equal(it1.run().status, 0);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
    it1.run(['--uninstall']);
    assert.equal(existsSync(file), false);
  });

  it('that were there before are somebody’s own', () => {
    const it1 = installer();
    mkdirSync(join(it1.root, 'etc/logrotate.d'), { recursive: true });
    writeFileSync(it1.root + installed, 'theirs');
    it1.run();
    assert.equal(readFileSync(it1.root + installed, 'utf8'), 'theirs');
    it1.run(['--uninstall']);
    assert.equal(readFileSync(it1.root + installed, 'utf8'), 'theirs');
  });
});
