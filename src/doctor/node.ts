import type { Host } from '../host/host.ts';
import type { Check } from './examination.ts';
import { head, isExecutable, realPath, target } from './files.ts';
import { failure, ok, warning } from './finding.ts';
import { advice, command } from '../hint.ts';
import { ourEntries } from './hook.ts';
import { nodePaths, places } from './places.ts';

/** The oldest Node.js that the compiled files are made for: major version times a thousand, and minor. */
const OLDEST = 18_020;

/** The Node.js that the hook's launcher would start, as hooks/launcher.sh looks for it. */
export function usedNode(host: Host): {
  readonly path?: string;
  readonly chosen?: string;
  readonly real?: string;
} {
  const program = ourEntries(host)[0] ?? places.command;
  const line = /^chosen_node='((?:[^'\n]|'\\'')*)'/m.exec(head(host, program, 4096) ?? '')?.[1];
  const chosen = line === undefined || line === '' ? undefined : line.replaceAll("'\\''", "'");
  const path = [...(chosen === undefined ? [] : [chosen]), ...nodePaths].find((candidate) =>
    isExecutable(target(host, candidate)?.status),
  );
  const real = path === undefined ? undefined : realPath(host, path);
  return {
    ...(path !== undefined && { path }),
    ...(chosen !== undefined && { chosen }),
    ...(real !== undefined && { real }),
  };
}

/** The hook finds a Node.js that is new enough. */
export const node: Check = {
  title: 'Node.js',
  run: ({ host, runtime }) => {
    const { path, chosen, real } = usedNode(host);
    if (path === undefined) {
      return failure(
        `there is none where the hook looks (${[...new Set([...(chosen === undefined ? [] : [chosen]), ...nodePaths])].join(', ')}): guests with host devices do not start`,
        command('apt install nodejs || dnf install nodejs'),
        command('NODE=/usr/bin/node ./install.sh'),
      );
    }
    if (real === realPath(host, runtime.path)) {
      const [major = 0, minor = 0] = runtime.version.replace(/^v/, '').split('.').map(Number);
      if (major * 1000 + minor < OLDEST) {
        return failure(
          `${path} is ${runtime.version}, and 18.20 or later is needed`,
          advice('install a newer Node.js'),
          command('NODE=/usr/bin/node ./install.sh'),
        );
      }
    }
    if (chosen !== undefined && chosen !== path) {
      return warning(
        `${chosen}, which install.sh chose, is gone; the hook takes ${path} instead, which install.sh did not look at`,
        command(`NODE=${path} ./install.sh`),
      );
    }
    const version =
      real === realPath(host, runtime.path)
        ? runtime.version
        : 'its version was not looked at, since this command runs on another one';
    return ok(`${path} (${version})`);
  },
};
