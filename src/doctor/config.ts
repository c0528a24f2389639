import { guestFiles } from '../config/guest-file.ts';
import { shownPath } from '../text.ts';
import { VfioHookError } from '../errors.ts';
import type { Check, Examination, Guest } from './examination.ts';
import { fromError } from './examine.ts';
import { about, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { word } from './files.ts';

/** Every file of the configuration is root's own, can be read, and belongs to a guest. */
export const configuration: Check = {
  title: 'configuration',
  run: (on) => {
    const files = on.configFiles();
    const guests = knownGuests(on);
    const findings: Found[] = files.flatMap(({ path, content }) =>
      'problem' in content ? [about(shownPath(path), withAdvice(fromError(content.problem)))] : [],
    );
    for (const { path, entry } of files) {
      if (entry === undefined || guests === undefined) continue;
      const its = guests.filter(({ xml }) => xml && guestFiles([entry], xml.domain).length > 0);
      if (its.length > 0 || guests.some(({ xml }) => xml === undefined)) continue;
      findings.push(
        about(
          shownPath(path),
          warning(
            'no guest of libvirt has this name or UUID, so it is never read',
            command(`ls /etc/libvirt/qemu`),
            command(`rm -i ${word(path)}`),
          ),
        ),
      );
    }
    for (const { xml } of guests ?? []) {
      if (!xml) continue;
      const several = files.filter(({ entry }) => entry && guestFiles([entry], xml.domain).length > 0);
      if (several.length < 2) continue;
      findings.push(
        about(xml.domain.name, {
          verdict: 'failure',
          found: `there are several files for it: ${several.map(({ path }) => shownPath(path)).join(', ')}`,
          fix: [advice('keep one of them')],
        }),
      );
    }
    if (findings.length > 0) return findings;
    return ok(
      files.length === 0 ? 'none, and none is needed' : `${files.length} files, each as it should be`,
    );
  },
};

/** The first problem of a file is its sentence, and may be all that there is to say. */
function withAdvice(found: Found): Found {
  return found.fix.length > 0
    ? found
    : { ...found, fix: [advice('mend that line; configuration.md has every key')] };
}

/** Undefined where they may not be looked at: then whose file it is cannot be told. */
function knownGuests(on: Examination): readonly Guest[] | undefined {
  try {
    return on.guests();
  } catch (error) {
    if (error instanceof VfioHookError) throw error;
    return undefined;
  }
}
