import type { Host } from '../host/host.ts';
import type { Check } from './examination.ts';
import { isExecutable, realPath, target } from './files.ts';
import { failure, ok, warning } from './finding.ts';
import { advice, command } from '../hint.ts';
import { chooseNode, launcherOf, writtenInto } from './installed.ts';
import { openingFor } from '../host/only-root.ts';
import { NODE_PLACES } from '../distribution.ts';
import { oldestNode } from '../oldest-node.ts';

/** Whether a version of Node.js, `v18.19.1`, is one that the compiled files are made for. */
function isNewEnough(version: string): boolean {
  const [have, want] = [version.replace(/^v/, ''), oldestNode].map((text) => {
    const [major = 0, minor = 0] = text.split('.').map(Number);
    return major * 1000 + minor;
  });
  return have !== undefined && want !== undefined && have >= want;
}

/** The Node.js that the hook's launcher would start, as hooks/launcher.sh looks for it. */
export function usedNode(host: Host): {
  readonly path?: string;
  readonly chosen?: string;
  readonly real?: string;
  /** Those before it, or all, that are there and that somebody else than root can replace. */
  readonly open: readonly { readonly path: string; readonly found: string }[];
} {
  const launcher = launcherOf(host);
  const chosen = launcher === undefined ? undefined : writtenInto(host, launcher, 'chosen_node');
  const there = [...new Set([...(chosen === undefined ? [] : [chosen]), ...NODE_PLACES])]
    .filter((candidate) => isExecutable(target(host, candidate)?.status))
    .map((candidate) => ({ path: candidate, found: openingFor(host, candidate)?.found }));
  const usable = there.findIndex(({ found }) => found === undefined);
  const path = there[usable]?.path;
  const real = path === undefined ? undefined : realPath(host, path);
  return {
    ...(path !== undefined && { path }),
    ...(chosen !== undefined && { chosen }),
    ...(real !== undefined && { real }),
    open: (usable === -1 ? there : there.slice(0, usable)).flatMap(({ path: open, found }) =>
      found === undefined ? [] : [{ path: open, found }],
    ),
  };
}

/** The hook finds a Node.js that is new enough. */
export const node: Check = {
  title: 'Node.js',
  run: ({ host, runtime }) => {
    const { path, chosen, real, open } = usedNode(host);
    const [first] = open;
    if (first !== undefined && (path === undefined || first.path === chosen)) {
      return failure(
        `somebody else than root can replace ${first.path}: ${first.found}; the hook ${path === undefined ? 'does not run it, and guests with host devices do not start' : `takes ${path} instead`}`,
        advice('install one from a package of the distribution'),
        chooseNode(host),
      );
    }
    if (path === undefined) {
      return failure(
        `there is none where the hook looks (${[...new Set([...(chosen === undefined ? [] : [chosen]), ...NODE_PLACES])].join(', ')}): guests with host devices do not start`,
        command('apt install nodejs || dnf install nodejs'),
        chooseNode(host),
      );
    }
    if (real === realPath(host, runtime.path) && !isNewEnough(runtime.version)) {
      return failure(
        `${path} is ${runtime.version}, and ${oldestNode} or later is needed`,
        advice('install a newer Node.js'),
        chooseNode(host),
      );
    }
    if (chosen !== undefined && chosen !== path) {
      return warning(
        `${chosen}, which was chosen at installation, is gone; the hook takes ${path} instead, which nobody has looked at`,
        chooseNode(host, path),
      );
    }
    const version =
      real === realPath(host, runtime.path)
        ? runtime.version
        : 'its version was not looked at, since this command runs on another one';
    return ok(`${path} (${version})`);
  },
};
