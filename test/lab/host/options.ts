import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { LabError } from './lab-error.ts';
import { allSeries, type Series } from './series.ts';
import { defaultSuites, isSuite, type Suite, suites } from './suite.ts';

/** What the command line asks for. */
export interface Options {
  readonly suites: readonly Suite[];
  readonly series: readonly Series[];
  readonly only: string | undefined;
  readonly cycles: number;
  readonly sequences: number;
  readonly seed: number;
  /** Directory with dist/ and install.sh; the repository unless told otherwise. */
  readonly product: string | undefined;
  /** A Node.js that takes the place of the suites' own. */
  readonly node: string | undefined;
  readonly updateGolden: boolean;
  /** Whether a case that kernel and libvirt have little to say in runs in one of the suites alone. */
  readonly byTurns: boolean;
  /** Whether the suites run beside each other; golden texts are written by one at a time. */
  readonly together: boolean;
}

export const usage = `usage: npm run test:lab -- [options]
  --suite NAME      bookworm, trixie or forky; may be repeated (default: ${defaultSuites.join(' and ')})
  --series NAME     ${allSeries.map(({ name }) => name).join(', ')}; may be repeated (default: all)
  --without NAME    not this series; may be repeated
  --only TEXT       only the cases whose name contains TEXT
  --cycles N        how often the endurance case starts and destroys its guest (default: 5)
  --sequences N     how many random sequences both kernels do, in each suite (default: 150)
  --seed N          what they are made from (default: a new one, printed)
  --product DIR     the directory that holds dist/ and install.sh (default: this repository)
  --node FILE       this Node.js, a program for Linux x64, in the place of each suite's own
  --by-turns        the suites share those cases between them that are about this program more than about theirs
  --one-at-a-time   one suite after the other, for times that can be compared (default: all at once)
  --update-golden   write the golden texts in place of comparing them
`;

/** @throws LabError when an option or a name is not known, or a file not there */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const left = (values.without ?? []).map(seriesByName);
  return {
    suites: (values.suite ?? defaultSuites).map((name) => {
      if (!isSuite(name)) throw new LabError(`no suite "${name}"; there are ${suites.join(', ')}`);
      return name;
    }),
    series: (values.series?.map(seriesByName) ?? allSeries).filter((each) => !left.includes(each)),
    only: values.only,
    cycles: count('--cycles', values.cycles),
    sequences: count('--sequences', values.sequences),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : count('--seed', values.seed),
    product: values.product,
    node: values.node === undefined ? undefined : program('--node', values.node),
    updateGolden: values['update-golden'],
    byTurns: values['by-turns'],
    together: !values['one-at-a-time'] && !values['update-golden'],
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        suite: { type: 'string', multiple: true },
        series: { type: 'string', multiple: true },
        without: { type: 'string', multiple: true },
        only: { type: 'string' },
        cycles: { type: 'string', default: '5' },
        sequences: { type: 'string', default: '150' },
        seed: { type: 'string' },
        product: { type: 'string' },
        node: { type: 'string' },
        'by-turns': { type: 'boolean', default: false },
        'one-at-a-time': { type: 'boolean', default: false },
        'update-golden': { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new LabError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}

function count(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new LabError(`${option} needs a number, not "${text}"`);
  return number;
}

function program(option: string, file: string): string {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new LabError(`${option}: there is no file ${file}`);
  return file;
}

function seriesByName(name: string): Series {
  const found = allSeries.find((series) => series.name === name);
  if (found) return found;
  throw new LabError(`no series "${name}"; there are ${allSeries.map((series) => series.name).join(', ')}`);
}
