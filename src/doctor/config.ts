import { count } from '../count.ts';
import { advice } from '../hint.ts';
import { shownPath } from '../text.ts';
import type { Remark } from '../engine/inspect-config.ts';
import type { Check } from './examination.ts';
import { about, failure, ok, unknown, warning, type Found } from './finding.ts';

/** Every file of the configuration is root's own, can be used, and belongs to a guest. `vfio-hook validate` says the same. */
export const configuration: Check = {
  title: 'configuration',
  run: (on) => {
    const files = on.configFiles();
    const findings = files.flatMap(({ path, remarks }) =>
      remarks.map((remark) => {
        const line = remark.line === undefined ? '' : `:${remark.line}`;
        return about(`${shownPath(path)}${line}`, foundFor(remark, path));
      }),
    );
    if (findings.length > 0) return findings;
    return ok(
      files.length === 0
        ? 'none, and none is needed'
        : `${count(files.length, 'file')}, ${files.length === 1 ? '' : 'each '}as it should be`,
    );
  },
};

function foundFor({ severity, text, hints, errno }: Remark, path: string): Found {
  if (errno === 'EACCES' || errno === 'EPERM') {
    return unknown(`cannot look at ${shownPath(path)}: ${errno}`, advice('run the same command as root'));
  }
  // The sentence may be all that there is to say.
  const fix = hints.length > 0 ? hints : [advice('mend that line; configuration.md has every key')];
  return severity === 'problem' ? failure(text, ...fix) : warning(text, ...fix);
}
