import type { Host } from '../host/host.ts';
import { runningDaemon } from './daemon.ts';
import type { Check } from './examination.ts';
import { realPath, word } from './files.ts';
import { failure, ok, unknown, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { ourEntries } from './installed.ts';
import { usedNode } from './node.ts';
import { PROGRAM_DIRECTORIES } from '../distribution.ts';
import { places } from './places.ts';

/** The profiles under which distributions confine the daemons that run hooks. */
const PROFILE = /^(?:\/usr\/s?bin\/)?(libvirtd|virtqemud)(?:\/\/\S+)? \(enforce\)$/;

/**
 * Where AppArmor confines libvirt, what a hook leads to must be where its profile lets programs be run
 * (src/security/apparmor/usr.sbin.libvirtd.in): directly in the system's four directories, or below
 * /etc/libvirt/hooks. The last step of a chain of links counts.
 */
export const appArmor: Check = {
  title: 'AppArmor',
  run: ({ host }) => {
    const profile = enforcedProfile(host);
    if (profile === undefined) return ok('it does not confine libvirt');
    const node = usedNode(host).path;
    const denied = [...ourEntries(host), ...(node === undefined ? [] : [node])]
      .flatMap((path) => realPath(host, path) ?? [])
      .filter((real) => !isAllowed(host, real, profile));
    const [first] = new Set(denied);
    if (first === undefined)
      return ok(`it confines ${profile}, and allows the hook and Node.js where they are`);
    const name = `usr.sbin.${profile}`;
    return failure(
      `it confines ${profile} and does not let it run ${[...new Set(denied)].join(' or ')}: every guest start fails with exit status 126`,
      ...(first.includes('node')
        ? [command('apt install nodejs'), command('NODE=/usr/bin/node ./install.sh')]
        : [command('PREFIX=/usr ./install.sh')]),
      command(`echo '  ${first} rmPUx,' >> ${places.appArmorLocal}/${name}`),
      command(`apparmor_parser -r /etc/apparmor.d/${name}`),
    );
  },
};

/** The daemon whose profile is enforced: by its own process, which everybody may look at, else by the list of profiles. */
export function enforcedProfile(host: Host): string | undefined {
  const daemon = runningDaemon(host);
  if (daemon) {
    const label =
      host.read(places.process(daemon.pid, 'attr/apparmor/current')) ?? attribute(host, daemon.pid);
    return label === undefined ? undefined : PROFILE.exec(label.trim())?.[1];
  }
  const profiles = (host.read(places.appArmorProfiles) ?? '').split('\n');
  return profiles.map((line) => PROFILE.exec(line)?.[1]).find((name) => name !== undefined);
}

/** Without any security module, reading it is EINVAL. */
function attribute(host: Host, pid: number): string | undefined {
  try {
    return host.read(places.process(pid, 'attr/current'))?.replace(/\0/g, '');
  } catch {
    return undefined;
  }
}

function isAllowed(host: Host, path: string, profile: string): boolean {
  const directory = path.slice(0, path.lastIndexOf('/'));
  if (PROGRAM_DIRECTORIES.some((allowed) => allowed === directory)) return true;
  if (path.startsWith(`${places.hooks}/`)) return true;
  const additions = host.read(`${places.appArmorLocal}/usr.sbin.${profile}`) ?? '';
  return additions
    .split('\n')
    .some((line) => !line.trim().startsWith('#') && (line.includes(path) || line.includes(`${directory}/*`)));
}

/** Milliseconds for the child that reads a label. */
const LABEL_MS = 2000;

/** Types that a hook's files have after restorecon: others come from copies out of home or temporary directories. */
const GOOD_TYPE = /^(?:virt_hook_t|virt_hook_exec_t|bin_t|lib_t|usr_t|etc_t|virt_etc_t)$/;

/** The type that the package vfio-hook-selinux gives to the hook (packaging/selinux): it brings a daemon to a domain for it. */
const OWN_TYPE = 'vfio_hook_exec_t';

/** Under SELinux the hook's label is right, and the daemon's policy lets it run. */
export const seLinux: Check = {
  title: 'SELinux',
  run: async ({ host }) => {
    const enforcing = host.read(`${places.selinux}/enforce`)?.trim();
    if (enforcing !== '1') return ok(enforcing === '0' ? 'permissive: it only reports' : 'not active');
    const findings: Found[] = [];
    let unlabelled: string | undefined;
    for (const entry of ourEntries(host)) {
      const label = await host.securityLabel(entry, LABEL_MS);
      if (label === undefined) {
        findings.push(unknown(`the label of ${entry} cannot be seen`, command(`ls -Z ${word(entry)}`)));
        continue;
      }
      const type = label.split(':')[2] ?? '';
      if (type === OWN_TYPE) continue;
      unlabelled ??= realPath(host, entry) ?? entry;
      if (GOOD_TYPE.test(type)) continue;
      findings.push(
        failure(
          `${realPath(host, entry) ?? entry} has the label ${label}, with which libvirt may not run it`,
          command(`restorecon -Rv ${places.hooks} /usr/sbin/vfio-hook /usr/lib/vfio-hook`),
        ),
      );
    }
    if (findings.length > 0) return findings;
    return judgeDomain(host, unlabelled);
  },
};

/**
 * Fedora's policy lets libvirtd (virtd_t) do everything; virtqemud it confines: a program with the type of other programs
 * it runs within its own domain, which only reads sysfs (virt.te: corecmd_exec_bin, dev_read_sysfs). Its boolean
 * virt_hooks_unconfined is no help: only virtnetworkd gets a domain for hooks by it. Some versions of the policy leave
 * virtqemud_t permissive, which cannot be seen from here: so this is no failure.
 */
function judgeDomain(host: Host, unlabelled: string | undefined): Found {
  const daemon = runningDaemon(host);
  const label = daemon && attribute(host, daemon.pid);
  const domain = label?.split(':')[2];
  if (!daemon || domain === undefined) {
    return unknown('enforcing; libvirt is not running, so its domain cannot be seen');
  }
  if (unlabelled === undefined && ourEntries(host).length > 0) {
    return ok(
      `enforcing; ${daemon.name} runs as ${domain}, and the hook has a domain of its own (${OWN_TYPE})`,
    );
  }
  if (domain !== 'virtqemud_t') return ok(`enforcing; ${daemon.name} runs as ${domain}, which runs hooks`);
  return warning(
    `enforcing; ${daemon.name} runs as ${domain}, which may not write to /sys, and the hook has no domain of its own (the type ${OWN_TYPE}): guests with host devices do not start, unless this policy only reports what ${domain} does`,
    command('dnf install vfio-hook-selinux'),
    advice('where it is installed, the file only lacks its label; without the package, see packaging.md:'),
    command(`restorecon -v ${word(unlabelled ?? places.command)}`),
    advice('what was denied:'),
    command('ausearch -m avc -c virtqemud -ts recent'),
  );
}
