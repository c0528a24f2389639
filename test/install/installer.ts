import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { copyPublished } from '../../scripts/package/release.ts';
import { repository, staleness, temporaryDirectory } from '../hook/compiled.ts';
import assert from 'node:assert/strict';

/** What a run of install.sh came to. */
export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** The published files with their install.sh, and a directory to install into. */
export interface Installer {
  /** DESTDIR. */
  readonly root: string;
  readonly script: string;
  /** What the script runs with, unless a call says otherwise. */
  readonly env: Readonly<Record<string, string>>;
  run(args?: readonly string[], env?: Readonly<Record<string, string>>): Outcome;
}

/** A copy of what is built. Fails when it is older than its source. */
export function installer(): Installer {
  assert.equal(staleness(repository), undefined);
  const work = temporaryDirectory();
  chmodSync(work, 0o755);
  const [root, source] = [join(work, 'root'), join(work, 'source')];
  mkdirSync(root);
  mkdirSync(source);
  copyPublished(repository, source);
  const script = join(source, 'install.sh');
  const env = { PATH: '/usr/bin:/bin', DESTDIR: root, NODE: process.execPath };
  return {
    root,
    script,
    env,
    run: (args = [], changed = {}) => {
      const result = spawnSync('sh', [script, ...args], { env: { ...env, ...changed }, encoding: 'utf8' });
      return { status: result.status, out: result.stdout, err: result.stderr };
    },
  };
}
