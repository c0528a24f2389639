import { quoteName } from '../text.ts';
import type { Holder } from '../host/host.ts';
import { listed } from './uses/words.ts';

/**
 * Who holds something, in words: `guest "win10" (pid 4321)`, or `"pipewire" (pid 2211, pipewire.service)`. Each
 * process once, the first three by name. Without a process: `another process`, since something does hold it.
 */
export function describeHolders(holders: readonly Omit<Holder, 'path'>[]): string {
  const words = new Map(holders.map((holder) => [holder.pid, describeHolder(holder)]));
  return words.size === 0 ? 'another process' : listed([...words.values()], '', 3);
}

function describeHolder({ pid, name, guest, unit, halted }: Omit<Holder, 'path'>): string {
  if (guest !== undefined) return `guest ${quoteName(guest)} (pid ${pid})`;
  return `${quoteName(name)} (pid ${pid}${unit ? `, ${unit.name}` : ''}${halted ? ', stopped' : ''})`;
}
