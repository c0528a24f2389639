import type { Host } from '../host/host.ts';
import { escapeControl } from '../text.ts';
import type { Check } from './examination.ts';
import { head, isExecutable, realPath, target, word } from './files.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { dropIns, isOurs, ourEntries } from './installed.ts';
import { places } from './places.ts';

/** What editors and package managers leave behind. */
const LEFT_BEHIND = /~$|\.(?:bak|old|orig|save|swp|rpmnew|rpmsave|dpkg-\w+|kept)$|\/\.[^/]*$/;

/** Nothing in qemu.d gets in the way: libvirt runs every executable file in it, in byte order. */
export const otherHooks: Check = {
  title: 'other hooks',
  run: ({ host }) => {
    const entries = dropIns(host);
    const ours = ourEntries(host);
    const findings: Found[] = [];
    const misnamed = `${places.dropIns}/vfio-hook`;
    if (ours.includes(misnamed)) {
      findings.push(
        failure(
          `${misnamed} is taken for the command, not for the hook, since it is called vfio-hook: every guest start fails`,
          command(`mv ${misnamed} ${places.dropIns}/50-vfio-hook`),
        ),
      );
    }
    const [first, second] = ours;
    if (first !== undefined && second !== undefined) {
      findings.push(
        warning(`libvirt runs vfio-hook twice: ${ours.join(' and ')}`, command(`rm ${word(second)}`)),
      );
    }
    for (const entry of entries.filter((path) => LEFT_BEHIND.test(path))) {
      if (!isExecutable(target(host, entry)?.status)) continue;
      findings.push(
        warning(
          `libvirt runs ${escapeControl(entry)} too: it looks like a copy that was left behind`,
          command(`chmod a-x ${word(entry)}`),
        ),
      );
    }
    if (findings.length > 0) return findings;
    const others = foreignHooks(host).map(escapeControl);
    return ok(others.length === 0 ? 'none' : `libvirt also runs ${others.join(', ')}`);
  },
};

/** Executable hooks that are not ours, in libvirt's order. */
function foreignHooks(host: Host): string[] {
  return [places.hook, ...dropIns(host)].filter(
    (path) =>
      isExecutable(target(host, path)?.status) &&
      !isOurs(host, path) &&
      !path.endsWith('/00-kept-by-vfio-hook'),
  );
}

/** What a script does that vfio-hook now does, or that must never be done from a hook. */
const CONFLICTS: readonly (readonly [pattern: RegExp, sentence: string])[] = [
  [/\bvirsh\b/, 'calls virsh, which hangs when libvirt starts the guest with the host'],
  [
    /\b(?:modprobe\s+(?:-\w+\s+)*-r|rmmod)\s+(?:-\w+\s+)*vfio/,
    'unloads vfio modules, which takes the devices of other guests',
  ],
  [
    /\/(?:unbind|bind|new_id|remove_id|driver_override|drivers_probe)\b/,
    'moves devices between drivers, as vfio-hook does',
  ],
  [/resource\d_resize\b/, 'resizes BARs, as vfio-hook does'],
];

/** Scripts looked at, and bytes of each. */
const MOST_SCRIPTS = 200;
const MOST_BYTES = 65_536;

/** Scripts of other hooks leave the devices alone. */
export const hookScripts: Check = {
  title: 'scripts of other hooks',
  run: ({ host }) => {
    const scripts = [
      ...foreignHooks(host),
      ...(target(host, places.keptHook) ? [places.keptHook] : []),
      ...dropIns(host).flatMap((path) => filesBelow(host, path, 3)),
    ].slice(0, MOST_SCRIPTS);
    const findings = scripts.flatMap((path) => conflictsOf(host, path));
    return findings.length > 0 ? findings : ok(scripts.length === 0 ? 'none' : `${scripts.length} looked at`);
  },
};

function conflictsOf(host: Host, path: string): Found[] {
  const text = (head(host, path, MOST_BYTES) ?? '').replace(/^\s*#.*$/gm, '');
  const sentences = CONFLICTS.filter(([pattern]) => pattern.test(text)).map(([, sentence]) => sentence);
  if (sentences.length === 0 || isOurs(host, path)) return [];
  return [
    about(
      escapeControl(path),
      warning(
        `it ${sentences.join('; it ')}`,
        command(`grep -nE 'virsh|vfio|bind|new_id|driver_override|_resize' ${word(path)}`),
        advice('take these lines out: see coexistence.md, "The VFIO-Tools tree"'),
      ),
    ),
  ];
}

/** Files of the layout qemu.d/GUEST/OPERATION/SUB-OPERATION/script, at any depth down to `levels`. */
function filesBelow(host: Host, path: string, levels: number): string[] {
  const real = realPath(host, path);
  if (real === undefined || host.status(real)?.kind !== 'directory' || levels < 0) return [];
  return (host.list(real) ?? []).flatMap((name) => {
    const entry = `${path}/${name}`;
    return target(host, entry)?.status.kind === 'file' ? [entry] : filesBelow(host, entry, levels - 1);
  });
}
