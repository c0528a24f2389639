import { cpuList, cpusOf, type CpuList } from './cpu-list.ts';

/** The key of what new interrupts begin with (/proc/irq/default_smp_affinity). */
export const DEFAULT_IRQ = 'default';

/** Whether a text is the number of an interrupt, as /proc/irq names it, or {@link DEFAULT_IRQ}. */
export function isIrqKey(text: string): boolean {
  return text === DEFAULT_IRQ || /^(?:0|[1-9]\d{0,6})$/.test(text);
}

/** CPUs in a word of the kernel's mask. */
const WORD = 32;

/**
 * CPUs as the kernel takes and prints a mask: words of 32 CPUs in hexadecimal, the highest first (lib/bitmap-str.c:
 * bitmap_parse). Without zeros in front, so that two texts are equal when they are about the same CPUs.
 */
export function cpuMask(list: CpuList): string {
  const words: number[] = [];
  for (const cpu of cpusOf(list)) {
    const at = Math.floor(cpu / WORD);
    while (words.length <= at) words.push(0);
    // Not by shifting: the 32nd bit is a sign there.
    words[at] = (words[at] ?? 0) + 2 ** (cpu % WORD);
  }
  const [first = 0, ...rest] = words.reverse();
  return [first.toString(16), ...rest.map((word) => word.toString(16).padStart(WORD / 4, '0'))].join(',');
}

/** The CPUs of such a mask, with zeros in front or not; undefined for another text. */
export function cpusOfMask(text: string): CpuList | undefined {
  const words = text.trim().split(',');
  if (words.length > 512 || !words.every((word) => /^[0-9a-f]{1,8}$/i.test(word))) return undefined;
  return cpuList(
    words.reverse().flatMap((word, at) => {
      const value = parseInt(word, 16);
      return Array.from({ length: WORD }, (_, bit) => bit)
        .filter((bit) => Math.floor(value / 2 ** bit) % 2 === 1)
        .map((bit) => at * WORD + bit);
    }),
  );
}
