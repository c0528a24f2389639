import { errnoOfText } from '../errno.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import {
  readFunctionSettings,
  readLinkAddress,
  type FunctionSettings,
} from '../observe/function-settings.ts';
import { networkLink } from '../observe/network-link.ts';
import { escapeControl } from '../text.ts';
import type { StepDefinition, StepOutcome } from './definition.ts';
import type { SetLink } from './step.ts';

const ZEROS = '00:00:00:00:00:00';

/** What errnos mean here (net/core/rtnetlink.c:do_setvfinfo, do_setlink). */
const meanings: Readonly<Record<string, string>> = {
  EOPNOTSUPP: 'the driver of the card has no such setting',
  EADDRNOTAVAIL: 'the address was set through the card, and is not the function’s to change',
  EINVAL: 'the card has no such function, or takes no such value',
  EBUSY: 'the card is not ready',
};

/**
 * Sets what ip(8) sets of an interface: what a card keeps for a virtual function, or its own address. The program that is
 * run is the very line that is shown; what comes of it is read back. An interface may have got another name since the plan
 * was made, as udev renames those of a driver that was bound a moment ago: so it is found again by its device.
 */
export const setLink: StepDefinition<SetLink> = {
  describe: (step) => {
    const { device, vf, setting, to } = step;
    const what = setting === 'mac' || setting === 'address' ? 'MAC address' : setting;
    const where = vf === undefined ? device : `virtual function ${vf} of ${device}`;
    return setting === 'mac' && to === ZEROS
      ? `clear MAC address of ${where}`
      : `set ${what} of ${where} to ${to}`;
  },
  command: (step) => `ip ${setArguments(step, step.link).join(' ')}`,
  already: async (step, host, deadlineMs) => {
    // What was set and what only looks like it cannot be told apart; and a card whose address of a function was cleared
    // has to be told again what the function's own is, though the interface has it already.
    if (step.setting === 'mac' || step.setting === 'address') return false;
    return (await value(step, host, deadlineMs)) === step.to;
  },
  apply: async (step, host, deadlineMs) => {
    const args = setArguments(step, linkOf(step, host));
    const result = await host.run('ip', args, deadlineMs);
    if (result.kind === 'stuck') return { ...result, path: `ip ${args.join(' ')}` };
    if (result.status === 0) return { kind: 'done' };
    return refused(step, result.stderr);
  },
  verify: async (step, host, deadlineMs) => {
    const now = await value(step, host, deadlineMs);
    // Cleared, it is what the function's own driver says, if it has one; and whatever the driver of the card invents.
    if (now === step.to || (step.setting === 'mac' && step.to === ZEROS)) return undefined;
    return now === undefined ? 'the card does not tell it' : `it reads ${now} afterwards`;
  },
};

function setArguments({ vf, setting, to }: SetLink, link: string): string[] {
  const which = vf === undefined ? [] : ['vf', String(vf)];
  return ['link', 'set', 'dev', link, ...which, setting, ...to.split(' ')];
}

function linkOf({ device, link }: SetLink, host: Host): string {
  return networkLink(host, device) ?? link;
}

async function value(step: SetLink, host: Host, deadlineMs: number): Promise<string | undefined> {
  const link = linkOf(step, host);
  if (step.vf === undefined) return readLinkAddress(host, link, deadlineMs);
  const functions = await readFunctionSettings(host, link, deadlineMs);
  return functions[step.vf]?.[step.setting as keyof FunctionSettings];
}

function refused({ setting, to }: SetLink, stderr: string): StepOutcome {
  const said = escapeControl(stderr.trim().split('\n').pop() ?? '');
  const errno = errnoOfText(said.split(': ').pop() ?? '');
  const meaning = errno !== undefined && Object.hasOwn(meanings, errno) ? meanings[errno] : undefined;
  if (setting === 'mac' && to === ZEROS && errno !== undefined) {
    // Some drivers take no zeros. Then the address stays set, as libvirt leaves it, too: no reason to keep a claim for.
    return {
      kind: 'done',
      remark: `its driver takes no zeros (${errno}): the host cannot change the address any more`,
    };
  }
  return {
    kind: 'failed',
    reason:
      errno === undefined ? said || 'ip ended without a word' : `${errno}${meaning ? ` (${meaning})` : ''}`,
    ...(errno !== undefined && { errno }),
    hints: errno === 'EOPNOTSUPP' ? [advice(`take it out of the functions in the configuration`)] : [],
  };
}
