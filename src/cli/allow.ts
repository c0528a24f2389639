import { advice } from '../hint.ts';
import { nearestWord } from '../config/nearest.ts';
import { VfioHookError } from '../errors.ts';
import { offeredReasons, useReasons, type UseReason } from '../pci/use.ts';
import { quoteName } from '../text.ts';
import type { Call, OptionSpec } from './command.ts';

/** The option that takes a named device from the host although the host uses it. */
export const allowOption: OptionSpec = {
  name: 'allow',
  value: 'REASON',
  repeated: true,
  words: offeredReasons,
  about: 'take the named devices although the host uses them for that, such as boot-vga',
};

/** The reasons that are allowed. Throws VH_USAGE for a word that is none, and together with a pattern. */
export function readAllow({ lists }: Call, isPattern: boolean): readonly UseReason[] {
  const words = lists.get('allow') ?? [];
  if (isPattern && words.length > 0) {
    throw new VfioHookError('VH_USAGE', '--allow is for devices that are named by their address', {
      hints: [advice('name the device itself')],
    });
  }
  return words.map((word) => {
    const reason = useReasons.find((each) => each === word);
    if (reason) return reason;
    const meant = nearestWord(word, offeredReasons);
    throw new VfioHookError('VH_USAGE', `${quoteName(word)} is no reason to allow`, {
      hints: [
        meant === undefined
          ? advice(`reasons: ${offeredReasons.join(', ')}`)
          : advice(`did you mean: --allow ${meant}`),
      ],
    });
  });
}
