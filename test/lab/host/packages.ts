import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { copyPublished } from '../../../scripts/package/release.ts';
import { run } from './command.ts';

const OLDER = '0.1.9';
/** 2026-01-01: every package of the lab is of that date. */
const DATE = '1767225600';

/**
 * Two Debian packages of what is built in `project`: `new.deb`, and `old.deb`, which is the same with another version number, so
 * that one can be upgraded to the other.
 * @throws LabError when dpkg-deb is missing
 */
export function buildPackages(project: string, target: string, log: string): void {
  mkdirSync(target, { recursive: true });
  const older = path.join(target, 'older');
  copyPublished(project, older);
  makeOlder(older);
  for (const [name, source] of [
    ['old', older],
    ['new', project],
  ] as const) {
    const out = path.join(target, name);
    run(
      log,
      process.execPath,
      [
        '--import',
        path.join(project, 'node_modules/tsx/dist/loader.mjs'),
        path.join(project, 'scripts/package.ts'),
        ...['--only', 'deb', '--out', out],
      ],
      { cwd: source, env: { SOURCE_DATE_EPOCH: DATE } },
    );
    const [file = ''] = readdirSync(out).filter((each) => each.endsWith('.deb'));
    renameSync(path.join(out, file), path.join(target, `${name}.deb`));
    rmSync(out, { recursive: true });
  }
  rmSync(older, { recursive: true });
}

/** Gives a build another version: in its description, in the name of its parts, and in what it says of itself. */
function makeOlder(project: string): void {
  const edit = (file: string, from: string, to: string): void => {
    const text = readFileSync(path.join(project, file), 'latin1');
    writeFileSync(path.join(project, file), text.replaceAll(from, to), 'latin1');
  };
  const { version } = JSON.parse(readFileSync(path.join(project, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const [parts = ''] = readdirSync(path.join(project, 'dist')).filter((name) =>
    name.startsWith(`${version}-`),
  );
  const others = parts.replace(version, OLDER);
  edit('package.json', `"version": "${version}"`, `"version": "${OLDER}"`);
  edit('dist/hook.cjs', parts, others);
  edit(`dist/${parts}/cli.cjs`, `vfio-hook ${version}`, `vfio-hook ${OLDER}`);
  renameSync(path.join(project, 'dist', parts), path.join(project, 'dist', others));
}
