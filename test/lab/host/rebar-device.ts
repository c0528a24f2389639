import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { type Artefact, obtain } from './cache.ts';
import { capture, run } from './command.ts';
import { emulator } from './emulator.ts';
import { LabError } from './lab-error.ts';
import type { LabDirectory } from './lab-directory.ts';
import { labSource } from './source.ts';
import type { Suite } from './suite.ts';

const source = path.join(labSource, 'rebar-device', 'rebar.c');

// Without the 128-bit and 64-bit lines the device's structures are smaller than QEMU's own; QEMU then fails with
// an unrelated message about a failover device.
const configuration = [
  ...['CONFIG_LINUX', 'CONFIG_POSIX', 'CONFIG_IOVEC', 'CONFIG_TCG', 'HOST_X86_64'],
  ...['CONFIG_INT128', 'CONFIG_INT128_TYPE', 'CONFIG_ATOMIC64'],
].map((name) => `#define ${name} 1\n`);

/**
 * The display controller with a resizable BAR, as a shared object for a suite's unmodified QEMU. QEMU's structures
 * are no stable interface, so the headers come from the source package of the very version in the root file system;
 * QEMU itself is not compiled.
 * @returns the shared object's path
 */
export function rebarDevice(lab: LabDirectory, suite: Suite, root: Artefact): string {
  const version = capture('dpkg-query', [
    `--admindir=${path.join(root.directory, 'var', 'lib', 'dpkg')}`,
    ...['--show', '--showformat', '${source:Version}', 'qemu-system-x86'],
  ]);
  if (!version.includes(':10.0.')) {
    throw new LabError(`the resizable-BAR device is written for QEMU 10.0, but ${suite} has ${version}`);
  }
  const { directory } = obtain({
    shelf: lab.path('rebar'),
    name: suite,
    inputs: [
      version,
      ...[source, path.join(labSource, 'host', 'rebar-device.ts')].map((file) => readFileSync(file, 'utf8')),
    ],
    title: `resizable-BAR device for QEMU ${version}`,
    build(output) {
      const log = lab.log('rebar-device');
      const headers = path.join(output, 'headers');
      unpackHeaders({ log, suite, version, root: root.directory, headers });
      compile(log, headers, path.join(output, 'rebar.so'));
      rmSync(headers, { recursive: true });
      const check = emulator(root.directory, path.join(output, 'rebar.so'));
      run(log, check.program, [...check.args, '-device', 'rebar-gpu,help'], { env: check.env });
    },
  });
  return path.join(directory, 'rebar.so');
}

interface HeaderSource {
  readonly log: string;
  readonly suite: Suite;
  readonly version: string;
  readonly root: string;
  readonly headers: string;
}

/** Downloads the source package by a private apt, so that the machine's own sources stay as they are. */
function unpackHeaders({ log, suite, version, root, headers }: HeaderSource): void {
  const apt = path.join(headers, 'apt');
  for (const name of ['lists/partial', 'archives/partial'])
    mkdirSync(path.join(apt, name), { recursive: true });
  writeFileSync(path.join(apt, 'status'), '');
  const mirror = /^deb (?:\[.*?\] )?(\S+)/m.exec(
    readFileSync(path.join(root, 'etc/apt/sources.list'), 'utf8'),
  );
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(
    path.join(apt, 'sources.list'),
    `deb-src [signed-by=${keyring}] ${mirror?.[1] ?? ''} ${suite} main\n`,
  );
  const settings = [
    ...[
      `Dir::Etc::SourceList=${apt}/sources.list`,
      'Dir::Etc::SourceParts=-',
      `Dir::State::Lists=${apt}/lists`,
    ],
    ...[
      `Dir::State::Status=${apt}/status`,
      `Dir::Cache=${apt}`,
      'Dir::Cache::pkgcache=',
      'Dir::Cache::srcpkgcache=',
    ],
    'APT::Sandbox::User=',
  ].flatMap((setting) => ['-o', setting]);
  run(log, 'apt-get', ['-q', ...settings, 'update']);
  const download = ['source', '--download-only', '--only-source', `qemu=${version}`];
  run(log, 'apt-get', ['-q', ...settings, ...download], { cwd: apt });

  const archive = readdirSync(apt).find((name) => /^qemu_.*\.orig\.tar\.xz$/.test(name));
  if (archive === undefined) throw new LabError(`the source package of QEMU ${version} has no archive`);
  const parts = ['*/include', '*/host/include', '*/qapi', '*/scripts/qapi*'];
  const unpack = ['--strip-components=1', '--wildcards', '--no-wildcards-match-slash', ...parts];
  run(log, 'tar', ['-C', headers, '-xJf', path.join(apt, archive), ...unpack]);
  mkdirSync(path.join(headers, 'generated', 'qapi'), { recursive: true });
  run(log, 'python3', ['scripts/qapi-gen.py', '-b', '-o', 'generated/qapi', 'qapi/qapi-schema.json'], {
    cwd: headers,
  });
  writeFileSync(path.join(headers, 'generated', 'config-poison.h'), '');
  writeFileSync(path.join(headers, 'generated', 'config-host.h'), configuration.join(''));
}

function compile(log: string, headers: string, output: string): void {
  const includes = ['generated', 'generated/qapi', 'include', 'host/include/x86_64', 'host/include/generic'];
  const glib = capture('pkg-config', ['--cflags', 'glib-2.0']).trim().split(/\s+/);
  copyFileSync(source, path.join(headers, 'rebar.c'));
  run(log, 'gcc', [
    ...['-shared', '-fPIC', '-O1', '-w'],
    ...includes.map((name) => `-I${path.join(headers, name)}`),
    ...glib,
    ...[path.join(headers, 'rebar.c'), '-o', output],
  ]);
}
