import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repository, staleness, temporaryDirectory } from '../hook/compiled.ts';

/** 2026-01-01: the date of the packages that tests make. */
export const DATE = 1_767_225_600;

/** Makes packages of what is built; returns the directory they are in. */
export function makePackages(...names: readonly string[]): string {
  assert.equal(staleness(repository), undefined);
  const out = join(temporaryDirectory(), 'packages');
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'scripts/package.ts', '--out', out, ...names.flatMap((name) => ['--only', name])],
    { cwd: repository, encoding: 'utf8', env: { ...process.env, SOURCE_DATE_EPOCH: String(DATE) } },
  );
  assert.equal(status, 0, stderr);
  return out;
}

/** The one file of a directory with this end. */
export function fileOf(directory: string, end: string): string {
  const [name, ...others] = readdirSync(directory).filter((each) => each.endsWith(end));
  assert.ok(name !== undefined && others.length === 0, `files of ${directory} that end in ${end}`);
  return join(directory, name);
}

/** What a program prints; it has to succeed. */
export function output(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(status, 0, `${program}: ${stderr}`);
  return stdout;
}

/** A list of paths in which version and hash of a build are words, so that it changes with the files only. */
export function withoutVersions(list: string): string {
  return list
    .replace(/\d+\.\d+\.\d+-[0-9a-f]{8}/g, 'VERSION-HASH')
    .replace(/vfio-hook-\d+\.\d+\.\d+/g, 'vfio-hook-VERSION');
}
