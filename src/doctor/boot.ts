import type { Host } from '../host/host.ts';
import { sysfs } from '../pci/sysfs.ts';
import { target, word } from './files.ts';
import { advice, command, type Hint } from '../hint.ts';
import { PROGRAM_DIRECTORIES } from '../distribution.ts';
import { places } from './places.ts';

/** The words of the kernel's command line. */
export function kernelArguments(host: Host): string[] {
  return (host.read(sysfs.commandLine) ?? '').split(/\s+/).filter(Boolean);
}

/** The value of the last `name=value` on the kernel's command line; dashes and underscores are the same to the kernel. */
export function kernelArgument(host: Host, name: string): string | undefined {
  const plain = (text: string): string => text.replaceAll('-', '_');
  return kernelArguments(host)
    .filter((argument) => plain(argument).startsWith(`${plain(name)}=`))
    .pop()
    ?.slice(name.length + 1);
}

/** What to do to add an argument to the kernel's command line, by what the distribution has. */
export function addKernelArgument(host: Host, argument: string): Hint[] {
  return [...changeKernelArguments(host, argument), advice('restart the host')];
}

function changeKernelArguments(host: Host, argument: string): Hint[] {
  if (has(host, 'grubby')) return [command(`grubby --update-kernel=ALL --args=${word(argument)}`)];
  if (has(host, 'rpm-ostree')) return [command(`rpm-ostree kargs --append=${word(argument)}`)];
  if (has(host, 'kernelstub')) return [command(`kernelstub -a ${word(argument)}`)];
  const rebuild = has(host, 'update-grub')
    ? 'update-grub'
    : has(host, 'grub-mkconfig')
      ? 'grub-mkconfig -o /boot/grub/grub.cfg'
      : undefined;
  if (rebuild === undefined) return [advice(`add ${argument} to the kernel command line of the boot loader`)];
  return [command(`sed -i 's/^GRUB_CMDLINE_LINUX="/&${argument} /' /etc/default/grub`), command(rebuild)];
}

/** What to do to take an argument from the kernel's command line. */
export function removeKernelArgument(argument: string): Hint[] {
  return [
    advice(`take ${argument} from the kernel command line of the boot loader, then restart the host`),
    command(`grep -rnF -e ${word(argument)} /etc/default/grub /etc/kernel /boot/loader/entries`),
  ];
}

function has(host: Host, program: string): boolean {
  return PROGRAM_DIRECTORIES.some((directory) => host.status(`${directory}/${program}`) !== undefined);
}

/** A line of modprobe's configuration (modprobe.d(5)), and the file that it is in. */
export interface ModprobeLine {
  readonly file: string;
  /** `options`, `blacklist`, `install`, `softdep`, … */
  readonly verb: string;
  /** With underscores. */
  readonly module: string;
  readonly rest: string;
}

/** The lines about modules in modprobe's directories. A file hides one of the same name in a later directory. */
export function modprobeLines(host: Host): ModprobeLine[] {
  const seen = new Set<string>();
  return places.modprobe.flatMap((directory) =>
    (host.list(directory) ?? []).flatMap((name) => {
      if (!name.endsWith('.conf') || seen.has(name)) return [];
      seen.add(name);
      const file = `${directory}/${name}`;
      return target(host, file)?.status.kind === 'file' ? linesOf(file, host.read(file) ?? '') : [];
    }),
  );
}

function linesOf(file: string, text: string): ModprobeLine[] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [verb = '', module, ...rest] = line.trim().split(/\s+/);
      if (module === undefined || verb.startsWith('#')) return [];
      return [{ file, verb, module: module.replaceAll('-', '_'), rest: rest.join(' ') }];
    });
}
