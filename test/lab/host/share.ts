import { cpSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { buildSync } from 'esbuild';

import { copyPublished } from '../../../scripts/package/release.ts';
import { oldestNode } from '../../../src/oldest-node.ts';
import type { Order } from '../protocol.ts';
import { run } from './command.ts';
import { LabError } from './lab-error.ts';
import { labSource } from './source.ts';

/** The directory of one boot: the share that the lab sees, and what stays outside. */
export interface RunDirectory {
  readonly share: string;
  readonly nvme: string;
  readonly console: string;
  readonly events: string;
  readonly beat: string;
  /** Golden texts as the lab found them, when it was asked to write them. */
  readonly golden: string;
}

/** What a share may have from elsewhere. */
export interface ShareSources {
  /** Directory with dist/ and install.sh, for the series that need them. */
  readonly product: string | undefined;
  /** Program that becomes /usr/bin/node of the lab. */
  readonly node: string | undefined;
  /** Directory of the suite's kernel modules. */
  readonly kernelModules: string;
}

/**
 * Puts together what the lab needs in its share: the bundled cases, the product, the golden texts, its order.
 * @throws LabError when the product is not built
 */
export function prepareShare(
  directory: string,
  order: Order,
  { product, node, kernelModules }: ShareSources,
  log: string,
): RunDirectory {
  rmSync(directory, { recursive: true, force: true });
  const share = path.join(directory, 'share');
  mkdirSync(path.join(share, 'golden'), { recursive: true });
  bundle(path.join(share, 'lab.cjs'));
  assembleBootSector(path.join(share, 'boot-sector'), log);
  cpSync(path.join(labSource, 'golden'), path.join(share, 'golden'), { recursive: true });
  for (const name of ['usual-hook', 'kernel-call.pl', 'display-server.pl'])
    cpSync(path.join(labSource, 'guest', name), path.join(share, name));
  cpSync(kernelModules, path.join(share, 'kernel-modules'), { recursive: true });
  if (product !== undefined) copyProduct(product, path.join(share, 'product'));
  if (node !== undefined) cpSync(node, path.join(share, 'node'), { dereference: true });
  writeFileSync(path.join(share, 'order.json'), JSON.stringify(order));
  const run: RunDirectory = {
    share,
    nvme: path.join(directory, 'nvme.img'),
    console: path.join(directory, 'console.log'),
    events: path.join(share, 'events.jsonl'),
    beat: path.join(share, 'beat'),
    golden: path.join(share, 'golden'),
  };
  writeFileSync(run.beat, '');
  writeFileSync(run.events, '');
  writeFileSync(run.nvme, '');
  truncateSync(run.nvme, 64 * 1024 * 1024);
  return run;
}

/** The cases as one file without dependencies, for the oldest Node of the suites. */
function bundle(output: string): void {
  buildSync({
    entryPoints: [path.join(labSource, 'guest', 'main.ts')],
    outfile: output,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: `node${oldestNode}`,
    sourcemap: 'inline',
    logLevel: 'error',
  });
}

function assembleBootSector(output: string, log: string): void {
  const object = `${output}.o`;
  run(log, 'as', ['--32', path.join(labSource, 'guest', 'boot-sector.s'), '-o', object]);
  run(log, 'ld', [
    '-m',
    'elf_i386',
    '-Ttext',
    '0x7c00',
    '--oformat',
    'binary',
    '-e',
    'start',
    object,
    '-o',
    output,
  ]);
  rmSync(object);
  truncateSync(output, 1024 * 1024);
}

/** @throws LabError when the product is not built */
function copyProduct(product: string, target: string): void {
  for (const name of ['dist/vfio-hook', 'install.sh', 'package.json']) {
    if (!existsSync(path.join(product, name))) {
      throw new LabError(`no ${path.join(product, name)}: build the product first (npm run build)`);
    }
  }
  copyPublished(product, target);
}
