import { examineConfigFile } from '../../src/config/decode.ts';
import { importScripts, type Imported, type ImportInput, type ScriptFile } from '../../src/import/import.ts';

/** A script of `prepare/begin`, or of another moment. */
export function script(
  text: string,
  moment: NonNullable<ScriptFile['moment']> = ['prepare', 'begin'],
): ScriptFile {
  return { path: `/hooks/win11/${moment.join('/')}/script.sh`, text: `#!/bin/bash\n${text}`, moment };
}

/** What scripts of guest win11 come to. */
export function imported(scripts: readonly ScriptFile[], input: Partial<ImportInput> = {}): Imported {
  return importScripts({
    guest: 'win11',
    scripts,
    sourced: () => undefined,
    takes: (text) => examineConfigFile(text, 'import.yaml').kind === 'fits',
    ...input,
  });
}

/** Each line that does something with what becomes of it: `2 key services`. */
export function verdicts({ scripts }: Imported): string[] {
  return scripts.flatMap(({ lines }) =>
    lines.flatMap(({ number, verdicts: all }) =>
      all
        .filter(({ kind }) => kind !== 'frame')
        .map((verdict) => `${number} ${verdict.kind === 'key' ? `key ${verdict.wish.key}` : verdict.kind}`),
    ),
  );
}
