import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { type Artefact, obtain } from './cache.ts';
import { run } from './command.ts';
import { kernelRelease } from './image.ts';
import type { LabDirectory } from './lab-directory.ts';
import { debian } from './rootfs.ts';
import { labSource } from './source.ts';
import type { Suite } from './suite.ts';

const sources = path.join(labSource, 'kernel-modules');

/**
 * The kernel modules of the lab for a suite's kernel, built by the suite's own compiler and headers, in a directory of
 * their own so that what boots stays small.
 * @returns the directory with the `.ko` files
 */
export function kernelModules(lab: LabDirectory, suite: Suite, root: Artefact): string {
  const release = kernelRelease(root.directory);
  const builder = debian(lab, suite, {
    shelf: 'builder',
    title: `compiler and kernel headers of ${suite}`,
    packages: ['gcc', 'make', `linux-headers-${release}`],
    hooks: [],
  });
  const files = readdirSync(sources);
  return obtain({
    shelf: lab.path('kernel-modules'),
    name: suite,
    inputs: [builder.key, ...files.map((name) => readFileSync(path.join(sources, name), 'utf8'))],
    title: `kernel modules of ${suite}`,
    build(output) {
      const log = lab.log(`kernel-modules-${suite}`);
      const inside = path.join(builder.directory, 'kernel-modules');
      mkdirSync(inside, { recursive: true });
      for (const name of files) cpSync(path.join(sources, name), path.join(inside, name));
      const make = ['make', '-C', `/lib/modules/${release}/build`, 'M=/kernel-modules', 'modules'];
      run(log, 'chroot', [builder.directory, ...make]);
      for (const name of readdirSync(inside).filter((each) => each.endsWith('.ko')))
        cpSync(path.join(inside, name), path.join(output, name));
    },
  }).directory;
}
