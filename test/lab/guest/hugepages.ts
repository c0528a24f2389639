import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';

import { read, tryWrite, write } from './sysfs.ts';

/** The pools of huge pages, one for each size. */
export const pools = '/sys/kernel/mm/hugepages';

/** That of 2 MiB, which is the size that x86-64 takes where nobody says one. */
const pool = path.join(pools, 'hugepages-2048kB');

/** Of each pool what must be the same before and after each case, by the name of its file. */
export function poolFacts(): ReadonlyMap<string, string> {
  const files = readdirSync(pools)
    .sort()
    .flatMap((name) => [`${name}/nr_hugepages`, `${name}/surplus_hugepages`]);
  return new Map(files.map((name) => [name, read(path.join(pools, name)) ?? 'none']));
}

/** Puts the pools back as well as plain writes can. */
export function repairPools(facts: ReadonlyMap<string, string> = new Map<string, string>()): void {
  for (const [name, text] of facts)
    if (name.endsWith('/nr_hugepages')) tryWrite(path.join(pools, name), text);
}

/** How many pages of 2 MiB there are, those that are lent to the pool included. */
export function poolPages(): number {
  return number('nr_hugepages');
}

/** As an administrator does it by hand. */
export function setPoolPages(pages: number): void {
  write(path.join(pool, 'nr_hugepages'), String(pages));
}

/** The pool has so many pages, so many of them free, and none is lent to it or promised to somebody. */
export function expectPool(pages: number, free: number): void {
  assert.deepEqual(
    ['nr_hugepages', 'free_hugepages', 'surplus_hugepages', 'resv_hugepages'].map(number),
    [pages, free, 0, 0],
    'huge pages of 2 MiB: all, free, surplus, reserved',
  );
}

function number(file: string): number {
  return Number(read(path.join(pool, file)));
}
