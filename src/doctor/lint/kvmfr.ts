import type { Host } from '../../host/host.ts';
import { attempt } from '../../attempt.ts';
import { advice, command, paste } from '../../hint.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { quoteName } from '../../text.ts';
import { modprobeLines } from '../boot.ts';
import { enforcedProfile } from '../confinement.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, failure, ok, warning, type Found } from '../finding.ts';
import { places } from '../places.ts';
import { canUse, qemuUser } from '../qemu-user.ts';

/** QEMU's argument for shared memory of Looking Glass, as `name=value` or JSON. */
const MEMORY = /\/dev\/kvmfr(\d{1,3})\b/;

/**
 * Looking Glass: QEMU gets the shared memory of the module kvmfr by `<qemu:commandline>`, so that libvirt gives it no
 * permission. The module makes it with as many bytes as it is loaded with (looking-glass.io/docs, "IVSHMEM with the KVMFR
 * module").
 */
export const kvmfr: Check<GuestExamination> = {
  title: 'Looking Glass (kvmfr)',
  run: (on) => {
    const uses = on.features.qemuArguments.flatMap((argument) => {
      const number = MEMORY.exec(argument)?.[1];
      return number === undefined ? [] : [{ number: Number(number), size: sizeOf(argument) }];
    });
    if (uses.length === 0) return ok('the XML uses no /dev/kvmfr');
    return uses.flatMap(({ number, size }): Found[] => {
      const device = `/dev/kvmfr${number}`;
      const findings = [
        ...judgeDevice(on.host, { number, size, isLoadedAtStart: loadsIt(on) }),
        ...judgeControlGroup(on.host, device),
        ...judgeAppArmor(on.host, device),
      ];
      return (findings.length > 0 ? findings : [ok('it is there, and QEMU may open it')]).map((found) =>
        about(device, found),
      );
    });
  },
};

/** Bytes of a memory backend. */
function sizeOf(argument: string): number | undefined {
  const [, digits, unit = ''] = /\bsize"?\s*[=:]\s*"?(\d{1,12})([kKmMgG]?)/.exec(argument) ?? [];
  if (digits === undefined) return undefined;
  const units: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
  return Number(digits) * (units[unit.toLowerCase()] ?? 1);
}

/** With which module a guest starts is its configuration's matter; one that is broken is said by the check of that. */
function loadsIt({ engine, domain }: GuestExamination): boolean {
  return attempt(() => engine.loadConfig(domain))?.modules.load?.includes('kvmfr') === true;
}

function judgeDevice(
  host: Host,
  {
    number,
    size,
    isLoadedAtStart,
  }: { readonly number: number; readonly size: number | undefined; readonly isLoadedAtStart: boolean },
): Found[] {
  const device = `/dev/kvmfr${number}`;
  const status = host.status(device);
  const mib = Math.ceil((size ?? 32 * 2 ** 20) / 2 ** 20);
  const options = paste('/etc/modprobe.d/kvmfr.conf', `options kvmfr static_size_mb=${mib}`);
  if (!status) {
    const isLoaded = host.list(sysfs.module('kvmfr')) !== undefined;
    if (!isLoaded && isLoadedAtStart) return [];
    return [
      failure(
        isLoaded
          ? `the module kvmfr is loaded and has made no ${device}: static_size_mb says how many there are`
          : `there is no ${device}, since the module kvmfr is not loaded: QEMU does not start`,
        options,
        ...(isLoaded
          ? [command('modprobe -r kvmfr && modprobe kvmfr')]
          : [
              advice('let the start load it: modules: {load: [kvmfr]} in the configuration of the guest'),
              command('modprobe kvmfr'),
            ]),
      ),
    ];
  }
  const own = Number(optionOf(host)?.split(',')[number] ?? NaN);
  const user = qemuUser(host);
  return [
    ...(size !== undefined && own * 2 ** 20 < size
      ? [
          failure(
            `the module makes it with ${own} MiB, as modprobe.d says, and the XML wants ${mib}: QEMU does not start`,
            options,
            command('modprobe -r kvmfr && modprobe kvmfr'),
          ),
        ]
      : []),
    ...(user && !canUse(user, status)
      ? [
          failure(
            `QEMU runs as ${quoteName(user.name)}, which may not open it (mode ${status.mode.toString(8)}, owner ${status.uid}, group ${status.gid})`,
            paste(
              '/etc/udev/rules.d/99-kvmfr.rules',
              `SUBSYSTEM=="kvmfr", OWNER="${user.name}", GROUP="kvm", MODE="0660"`,
            ),
            command('udevadm control --reload && udevadm trigger --subsystem-match=kvmfr'),
          ),
        ]
      : []),
  ];
}

/** The sizes that it is loaded with: the module shows them nowhere (its parameter has mode 0). */
function optionOf(host: Host): string | undefined {
  return modprobeLines(host)
    .filter(({ verb, module }) => verb === 'options' && module === 'kvmfr')
    .flatMap(({ rest }) => /(?:^|\s)static_size_mb=([\d,]+)/.exec(rest)?.[1] ?? [])
    .at(-1);
}

/** What libvirt allows every guest when nobody says otherwise (src/qemu/qemu_cgroup.c:defaultDeviceACL). */
const DEFAULT_ACL = ['null', 'full', 'zero', 'random', 'urandom', 'ptmx', 'kvm', 'userfaultfd'].map(
  (name) => `/dev/${name}`,
);

function judgeControlGroup(host: Host, device: string): Found[] {
  const text = withoutComments(host.read(places.qemuConf) ?? '');
  const controllers = /^\s*cgroup_controllers\s*=\s*\[([^\]]*)\]/m.exec(text)?.[1];
  if (controllers !== undefined && !controllers.includes('"devices"')) return [];
  const list = /^\s*cgroup_device_acl\s*=\s*\[([^\]]*)\]/m.exec(text)?.[1];
  const allowed =
    list === undefined ? DEFAULT_ACL : [...list.matchAll(/"([^"]*)"/g)].map(([, path = '']) => path);
  if (allowed.includes(device)) return [];
  const all = [...allowed, device].map((path) => `  "${path}"`).join(',\n');
  return [
    failure(
      `libvirt’s control group of the guest does not let QEMU open it: cgroup_device_acl in ${places.qemuConf} lacks it`,
      paste(`${places.qemuConf}, in place of cgroup_device_acl`, `cgroup_device_acl = [\n${all}\n]`),
      command('systemctl restart libvirtd.service   # or virtqemud.service'),
    ),
  ];
}

function judgeAppArmor(host: Host, device: string): Found[] {
  if (enforcedProfile(host) === undefined) return [];
  const file = `${places.appArmorLocal}/abstractions/libvirt-qemu`;
  const rules = withoutComments(host.read(file) ?? '');
  const names = [device, '/dev/kvmfr*', '/dev/kvmfr[0-9]*', '/dev/kvmfr[0-9]'];
  const isAllowed = rules
    .split('\n')
    .map((line) => line.trim().replace(/^owner\s+/, ''))
    .some((line) => names.some((name) => new RegExp(`^"?${escape(name)}"?\\s+\\w*rw\\w*,`).test(line)));
  if (isAllowed) return [];
  return [
    warning(
      `AppArmor confines libvirt’s guests, and ${file} does not let QEMU open it`,
      paste(file, `${device} rw,`),
      command('systemctl restart libvirtd.service   # or virtqemud.service'),
    ),
  ];
}

function withoutComments(text: string): string {
  return text.replace(/^\s*#.*$/gm, '');
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
