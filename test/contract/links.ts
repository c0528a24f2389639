import { errnoOfText } from '../../src/errno.ts';
import type { Host, RunResult } from '../../src/host/host.ts';
import { readFunctionSettings, type FunctionSettings } from '../../src/observe/function-settings.ts';
import { networkLink } from '../../src/observe/network-link.ts';
import type { PciAddress } from '../../src/pci/address.ts';
import type { Answer } from './contract.ts';

/** `ok`, or the errno at the end of what ip(8) says. */
export function ended(result: RunResult): Answer {
  if (result.kind === 'stuck') return 'blocks';
  if (result.status === 0) return 'ok';
  const [text = ''] = result.stderr.trim().split(': ').slice(-1);
  return errnoOfText(text) ?? text;
}

/** What a card keeps for a function. */
export async function kept(
  host: Host,
  card: string,
  { vf, setting }: { readonly vf: number; readonly setting: string },
): Promise<Answer> {
  const link = networkLink(host, card as PciAddress) ?? 'none';
  const functions = await readFunctionSettings(host, link, 5000);
  return functions[vf]?.[setting as keyof FunctionSettings] ?? 'nothing';
}
