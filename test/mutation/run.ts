import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defects, type Defect } from './defects.ts';

/*
 * Do the tests bite? Puts one defect after the other into a copy of the source and runs the tests of the engine over it.
 *   npm run test:mutation                     all of them
 *   npm run test:mutation -- --only "claim"   those with this in their name
 */

const repository = fileURLToPath(new URL('../..', import.meta.url));
/** What the tests below need; the rest of test/ spawns the compiled file. */
const COPIED = ['src', 'hooks', 'simulator', 'test', 'examples', 'schema', 'package.json', 'tsconfig.json'];
const SUITES = [
  ...['plan', 'steps', 'claim', 'resource', 'resource/tuning', 'resource/sriov'],
  ...['resource/mdev', 'resource/vgpu', 'engine'],
  ...['host', 'host/linux', 'observe', 'observe/uses', 'sweep', 'model'],
];
/** A run without a defect takes a tenth of it; a defect that makes the tests hang is found out, too. */
const PATIENCE_MS = 300_000;
/** Workers; the tests wait for locks and deadlines some of the time. */
const WORKERS = 2;

type Verdict = 'caught' | 'caught by its time' | 'survived';

/** One copy of the source, into which defects are put. */
function makeCopy(): string {
  const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-mutation-'));
  for (const name of COPIED) {
    cpSync(join(repository, name), join(directory, name), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
  }
  symlinkSync(join(repository, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** The suites of the defect's own folder first: most are caught there, and the first failure ends the run. */
function suitesFor(file: string): string[] {
  const folder = file.slice(0, file.lastIndexOf('/'));
  return [folder, ...SUITES.filter((each) => each !== folder)].map((each) => `test/${each}/*.test.ts`);
}

function runTests(directory: string, suites: readonly string[]): Promise<Verdict> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        join(repository, 'node_modules/mocha/bin/mocha.js'),
        ...[
          '--no-config',
          '--node-option',
          'import=tsx',
          '--timeout',
          '20000',
          '--bail',
          '--reporter',
          'dot',
        ],
        ...suites,
      ],
      { cwd: directory, stdio: 'ignore', detached: true, env: { PATH: process.env['PATH'], HOME: '/root' } },
    );
    const patience = setTimeout(() => {
      // Mocha and the processes of its tests.
      process.kill(-(child.pid ?? process.pid), 'SIGKILL');
      resolve('caught by its time');
    }, PATIENCE_MS);
    child.on('close', (status) => {
      clearTimeout(patience);
      resolve(status === 0 ? 'survived' : 'caught');
    });
  });
}

async function tryDefect(directory: string, { file, find, replace }: Defect): Promise<Verdict> {
  const path = join(directory, 'src', file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
  try {
    return await runTests(directory, suitesFor(file));
  } finally {
    writeFileSync(path, text);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  const wanted = defects.filter(({ name }) => name.includes(values.only ?? ''));
  const started = performance.now();
  const found: { readonly defect: Defect; readonly verdict: Verdict }[] = [];
  const waiting = [...wanted];
  const work = async (): Promise<void> => {
    const directory = makeCopy();
    try {
      for (let defect = waiting.shift(); defect; defect = waiting.shift()) {
        const begun = performance.now();
        const verdict = await tryDefect(directory, defect);
        const seconds = ((performance.now() - begun) / 1000).toFixed(0);
        found.push({ defect, verdict });
        console.log(
          `${verdict === 'survived' ? '✘' : '✔'} ${verdict} (${seconds} s): ${defect.file}: ${defect.name}`,
        );
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const directory = makeCopy();
  const sound = await runTests(directory, suitesFor('plan/plan.ts'));
  rmSync(directory, { recursive: true, force: true });
  if (sound !== 'survived') throw new Error('the tests fail without a defect');
  await Promise.all(Array.from({ length: WORKERS }, work));

  const survivors = found.filter(({ verdict }) => verdict === 'survived');
  const share = (100 * (found.length - survivors.length)) / found.length;
  console.log(
    `\n${found.length} defects, ${found.length - survivors.length} caught (${share.toFixed(1)} %), ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
  for (const { defect } of survivors) {
    console.log(`survived: ${defect.file}: ${defect.name}: ${defect.survives ?? 'no reason known'}`);
  }
  const unexplained = survivors.filter(({ defect }) => defect.survives === undefined);
  console.log(`\n${found.length - unexplained.length} passed, ${unexplained.length} failed`);
  process.exitCode = share < 95 || unexplained.length > 0 ? 1 : 0;
}

await main();
