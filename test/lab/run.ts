/** `npm run test:lab`: builds the labs, boots them, reports. See test/lab/README.md. */
import { cpSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { boot } from './host/boot.ts';
import { emulator } from './host/emulator.ts';
import { type Image, image } from './host/image.ts';
import { labDirectory } from './host/lab-directory.ts';
import { kernelModules } from './host/kernel-modules.ts';
import { LabError } from './host/lab-error.ts';
import { machineArguments } from './host/machine.ts';
import { type Options, parseOptions } from './host/options.ts';
import { buildPackages } from './host/packages.ts';
import { writePredictions } from './host/predictions.ts';
import { rebarDevice } from './host/rebar-device.ts';
import { LabReport, type Totals } from './host/report.ts';
import { meetRequirements } from './host/requirements.ts';
import { rootfs } from './host/rootfs.ts';
import { runsIn, type Series } from './host/series.ts';
import { prepareShare } from './host/share.ts';
import { labSource, repository } from './host/source.ts';
import { emulatorSuite, type Suite } from './host/suite.ts';

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const lab = labDirectory(repository);
  meetRequirements(lab.log('requirements'));

  console.log('the lab');
  const emulatorRoot = rootfs(lab, emulatorSuite);
  const preload = path.resolve(rebarDevice(lab, emulatorSuite, emulatorRoot));
  const qemu = emulator(emulatorRoot.directory, preload);
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };

  // Before the first boot: building waits for its programs, and a boot must be watched.
  const suites = new Map(
    options.suites.map((suite) => {
      const root = rootfs(lab, suite);
      return [suite, { image: image(lab, suite, root), modules: kernelModules(lab, suite, root) }];
    }),
  );
  const runSuite = async ([suite, parts]: readonly [Suite, SuiteParts]): Promise<void> => {
    const print = printer(options, suite);
    for (const series of options.series.filter((each) => runsIn(each, suite))) {
      const directory = lab.path('run', `${suite}-${series.name}`);
      const log = lab.log('share');
      await runSeries({ options, suite, series, parts, qemu, directory, log, totals, print });
    }
  };
  const started = performance.now();
  if (options.together) await Promise.all([...suites].map(runSuite));
  else for (const each of suites) await runSuite(each);
  console.log(`\n${minutes(performance.now() - started)} for all boots`);
  const skips = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
  console.log(`\n${totals.passed} passed, ${totals.failed} failed${skips}`);
  process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
}

/** Lines of suites that run beside each other begin with the suite's name. */
function printer({ together, suites }: Options, suite: Suite): (line: string) => void {
  return (line) => {
    console.log(together && suites.length > 1 ? `${suite.padEnd(9)}${line}` : line);
  };
}

function minutes(milliseconds: number): string {
  return `${Math.floor(milliseconds / 60_000)} min ${Math.floor((milliseconds / 1000) % 60)} s`;
}

interface SuiteParts {
  readonly image: Image;
  /** Directory of the kernel modules. */
  readonly modules: string;
}

interface SeriesRun {
  readonly options: Options;
  readonly suite: Suite;
  readonly series: Series;
  readonly parts: SuiteParts;
  readonly qemu: ReturnType<typeof emulator>;
  readonly directory: string;
  readonly log: string;
  readonly totals: Totals;
  readonly print: (line: string) => void;
}

/** How often a series is booted again after the emulator has stopped a processor of it. */
const REPEATS = 2;

async function runSeries(seriesRun: SeriesRun): Promise<void> {
  const { suite, series, print } = seriesRun;
  print('');
  print(`  ${suite}: ${series.name}`);
  const started = performance.now();
  const done: string[] = [];
  for (let repeat = 0; ; repeat += 1) {
    const stalled = await bootSeries(seriesRun, done, repeat === REPEATS);
    if (stalled === undefined) break;
    done.push(...stalled);
    print(
      '    boot repeated for the remaining cases: the emulator has stopped a processor or the whole machine',
    );
  }
  print(`    ${((performance.now() - started) / 1000).toFixed(0)} s with boot`);
}

/**
 * Seconds within which a boot reaches its first script, which it does within 15 and 35 on a machine without other work; a
 * hung one stays hung.
 */
const bootLimits = { BIOS: 60, UEFI: 150 } as const;

/** One boot. After a stall, unless it is the last try, the names of the cases that have ended. */
async function bootSeries(
  { options, suite, series, parts, qemu, directory, log, totals, print }: SeriesRun,
  done: readonly string[],
  last: boolean,
): Promise<readonly string[] | undefined> {
  const order = {
    suite,
    series: series.name,
    done,
    cycles: options.cycles,
    sequences: options.sequences,
    seed: options.seed,
    updateGolden: options.updateGolden,
    ...(options.byTurns && { turn: { first: options.suites.indexOf(suite), every: options.suites.length } }),
    ...(options.only === undefined ? {} : { only: options.only }),
  };
  const product = series.needsProduct ? path.resolve(options.product ?? repository) : undefined;
  const run = prepareShare(
    directory,
    order,
    { product, node: options.node, kernelModules: parts.modules },
    log,
  );
  if (series.name === 'packages') buildPackages(product ?? repository, path.join(run.share, 'packages'), log);
  if (series.name === 'differential') await writePredictions(run.share, suite, options);
  const report = new LabReport(run.events, totals, print);
  const firmware = series.firmware ?? 'BIOS';
  const { end, hangs } = await boot({
    emulator: qemu,
    args: machineArguments({
      card: series.card,
      firmware,
      image: parts.image,
      share: run.share,
      nvme: run.nvme,
      append: series.append,
    }),
    console: run.console,
    beat: run.beat,
    bootLimit: bootLimits[firmware],
    limit: series.limit,
    progress: () => {
      report.update();
    },
  });
  if (hangs > 0) print(`    boot repeated: ${hangs} did not reach the first script in time`);
  if (end === 'stalled' && !last) return report.ended();
  report.close(end);
  if (end !== 'finished') print(`    ${end}; the end of ${run.console}:\n${lastLines(run.console)}`);
  if (options.updateGolden) cpSync(run.golden, path.join(labSource, 'golden'), { recursive: true });
  return undefined;
}

function lastLines(file: string): string {
  const lines = readFileSync(file, 'latin1').replaceAll('\r', '').trimEnd().split('\n').slice(-12);
  return lines.map((line) => `      ${line}`).join('\n');
}

try {
  await main();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`test:lab: ${error.message}`);
  process.exitCode = 1;
}
