import { claimedBy } from '../scenario.ts';
import { decodeClaim } from '../../src/claim/decode.ts';
import { holdWords } from '../../src/resource/hold-input.ts';
import { lockSubject, type LockName } from '../../src/engine/lock-name.ts';
import type { Action } from './questions.ts';

/** What a run does, after its name: `takes the lock of group 16`. */
export function sentenceOf(action: Action, given: unknown): string {
  switch (action.ask) {
    case 'claims':
      return 'reads the claims';
    case 'write-claim': {
      const decoded = decodeClaim(action.text);
      if (!('claim' in decoded)) return 'writes a claim that cannot be read';
      const { state, devices, holds } = decoded.claim;
      const what = [...devices.map(({ address }) => address), ...holds.map(holdWords)];
      return `writes the claim of ${claimedBy(decoded.claim)}: ${state}, ${what.join(' ')}`;
    }
    case 'remove-claim':
      return 'removes the claim';
    case 'lock':
      return `takes the lock of ${lockWords(action.name)}`;
    case 'unlock':
      return `gives up the lock of ${lockWords(action.name)}`;
    case 'modprobe':
      return `loads ${action.module}`;
    case 'write': {
      const path = action.path.replace(/^\/sys\/(bus\/pci\/(devices|drivers)|devices\/system)\//, '');
      return `writes ${action.value === '' ? 'a newline' : action.value} to ${path}${answerText(given)}`;
    }
  }
}

/** What a lock is for, as people say it: a claim is named by a UUID, and no run has several of them. */
export function lockWords(name: LockName): string {
  return 'claim' in name ? 'the claim' : lockSubject(name);
}

function answerText(given: unknown): string {
  const { kind, errno } = given as { kind: string; errno?: string };
  if (kind === 'written') return '';
  return kind === 'stuck' ? ', which does not return' : `, which is refused: ${errno ?? ''}`;
}
