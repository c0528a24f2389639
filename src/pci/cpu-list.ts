/**
 * Numbers of CPUs as a list, `0-3,8`: how the kernel prints and takes them (Documentation/admin-guide/cputopology.rst;
 * lib/bitmap-str.c:bitmap_parselist), and how they are kept in claims. The empty text: none.
 */
export type CpuList = string;

/** More than any kernel has (CONFIG_NR_CPUS). */
const MOST_CPUS = 16_384;

/** The numbers of a list, in ascending order; blanks may stand for commas, as systemd prints it. Undefined: no such list. */
export function parseCpuList(text: string): readonly number[] | undefined {
  const cpus = new Set<number>();
  for (const part of text.trim().split(/\s*,\s*|\s+/)) {
    if (part === '') {
      if (text.trim() === '') continue;
      return undefined;
    }
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    // Without a number they are NaN, which is in no order with any.
    if (!(from <= to && to < MOST_CPUS)) return undefined;
    for (let cpu = from; cpu <= to; cpu += 1) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** These numbers as a list, each once; two texts are equal when they are about the same CPUs. */
export function cpuList(cpus: readonly number[]): CpuList {
  const sorted = [...new Set(cpus)].sort((a, b) => a - b);
  const runs: [number, number][] = [];
  for (const cpu of sorted) {
    const run = runs.at(-1);
    if (run?.[1] === cpu - 1) run[1] = cpu;
    else runs.push([cpu, cpu]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** Whether a text is a list as {@link cpuList} makes it, of one CPU or more. */
export function isCpuList(text: string): boolean {
  const cpus = parseCpuList(text);
  return cpus !== undefined && cpus.length > 0 && cpuList(cpus) === text;
}

/** The numbers of a text that is known to be a list. */
export function cpusOf(list: CpuList): readonly number[] {
  const cpus = parseCpuList(list);
  if (!cpus) throw new Error(`${JSON.stringify(list)} is no list of CPUs`);
  return cpus;
}

/** Those that are in all of these lists. */
export function commonCpus(first: CpuList, ...rest: readonly CpuList[]): CpuList {
  const others = rest.map((list) => new Set(cpusOf(list)));
  return cpuList(cpusOf(first).filter((cpu) => others.every((other) => other.has(cpu))));
}

/** Those of a list that are not among these. */
export function cpusWithout(list: CpuList, cpus: readonly number[]): CpuList {
  const gone = new Set(cpus);
  return cpuList(cpusOf(list).filter((cpu) => !gone.has(cpu)));
}

/** A list in a sentence: `CPUs 0-3,8`, `CPU 0`. */
export function cpuWords(list: CpuList): string {
  if (list === '') return 'no CPU';
  return `${/^\d+$/.test(list) ? 'CPU' : 'CPUs'} ${list}`;
}
