import { pciHostdevs } from '../../domain/domain.ts';
import { ruleFor } from '../../config/rules.ts';
import type { Host } from '../../host/host.ts';
import { kernelRelease } from '../../observe/kernel-release.ts';
import { installedLibvirt } from '../../observe/take-snapshot.ts';
import { parsePciAddress, slotOf, type PciAddress } from '../../pci/address.ts';
import { isDisplay } from '../../pci/class.ts';
import { libvirtFacts } from '../../pci/libvirt-facts.ts';
import { bestVfioAlias, parseVfioAliases } from '../../pci/modalias.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { quoteName } from '../../text.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { realPath } from '../files.ts';
import { about, failure, ok, unknown, warning, type Found } from '../finding.ts';
import { advice } from '../../hint.ts';
import { places } from '../places.ts';
import { hostdevXml, pasteConfig, pasteXml, sourceAddress } from './snippets.ts';

/** What `managed` means with this hook: either is right, as long as one card has one. */
export const managed: Check<GuestExamination> = {
  title: "what 'managed' means",
  run: (on) => {
    const hostdevs = pciHostdevs(on.domain).filter(({ kind }) => kind === 'pci');
    if (hostdevs.length === 0) return ok('no <hostdev> of type pci');
    const mixed = hostdevs.filter((hostdev) =>
      hostdevs.some(
        (other) => slotOf(other.address) === slotOf(hostdev.address) && other.managed !== hostdev.managed,
      ),
    );
    const [first] = mixed;
    if (first) {
      return warning(
        `functions of ${slotOf(first.address)} have managed='yes' and managed='no': after a change of it libvirt may remember the earlier value of a device, and not give it back, until it is restarted`,
        pasteXml(
          on,
          `each <hostdev> of ${slotOf(first.address)}`,
          "<hostdev mode='subsystem' type='pci' managed='yes'>",
        ),
      );
    }
    return ok(
      hostdevs.every((hostdev) => hostdev.managed)
        ? 'yes: vfio-hook moves the whole group before libvirt looks, so libvirt has nothing left to do; without the hook libvirt would move the named devices alone'
        : 'no: vfio-hook does all of it; without the hook libvirt refuses the start, which is the safer way to notice',
    );
  },
};

/** A device for which the kernel has a vfio driver of its own gets that one. */
export const variantDriver: Check<GuestExamination> = {
  title: 'vfio variant drivers',
  run: (on) => {
    const aliases = parseVfioAliases(on.host.read(sysfs.modulesAlias(kernelRelease(on.host))) ?? '');
    const version = installedLibvirt(on.host);
    const { acceptsVariants, choosesVariants } = libvirtFacts(version);
    if (version === undefined || choosesVariants) return ok('none is missing');
    const config = on.engine.loadConfig(on.domain);
    const findings = pciHostdevs(on.domain).flatMap((hostdev): Found[] => {
      const device = on.devices.get(hostdev.address);
      const best = device && bestVfioAlias(device.modalias, aliases)?.module;
      if (!device || best === undefined || best === 'vfio_pci') return [];
      if (hostdev.model !== undefined) {
        return [
          about(
            hostdev.address,
            warning(
              `the XML asks for the driver ${quoteName(hostdev.model)}, which libvirt ${version} does not read: it takes vfio-pci`,
              advice('install libvirt 10.0 or later'),
            ),
          ),
        ];
      }
      if (ruleFor(config, device).driver !== undefined) return [];
      const sentence = `the kernel has the driver ${best} for it, and libvirt ${version} does not choose it by itself (10.0 does)`;
      if (!acceptsVariants) {
        return [
          about(
            hostdev.address,
            warning(
              `${sentence}; before 9.7 libvirt takes no other driver than vfio-pci`,
              advice(
                'install libvirt 10.0 or later, if the guest needs what that driver does, such as migration',
              ),
            ),
          ),
        ];
      }
      return [
        about(
          hostdev.address,
          warning(
            sentence,
            ...pasteConfig(on, hostdev.address, { driver: best }),
            pasteXml(
              on,
              `the <hostdev> of ${hostdev.address}`,
              "<hostdev mode='subsystem' type='pci' managed='no'>",
            ),
          ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok('none is missing');
  },
};

/** Devices are assigned where libvirt knows of them. */
export const commandline: Check<GuestExamination> = {
  title: 'devices in <qemu:commandline>',
  run: (on) => {
    const devices = pciHostdevs(on.domain).filter(({ kind }) => kind === 'commandline');
    if (devices.length === 0) return ok('none');
    return devices.map(({ address }) =>
      about(
        address,
        warning(
          'libvirt knows nothing of it: no locked memory, no permission in the cgroup and under AppArmor, and another guest may be given it',
          pasteXml(on, '<devices>, in place of the -device argument', hostdevXml(address)),
        ),
      ),
    );
  },
};

/** A disk by its path in /dev goes away with its controller. */
export const nvmePath: Check<GuestExamination> = {
  title: 'disks of assigned controllers',
  run: (on) => {
    const findings = on.features.blockDisks.flatMap(({ path, target }): Found[] => {
      const controller = controllerOf(on.host, path);
      if (controller === undefined || !on.devices.has(controller)) return [];
      const namespace = /nvme\d+n(\d+)/.exec(realPath(on.host, path) ?? path)?.[1] ?? '1';
      return [
        about(
          target === '' ? quoteName(path) : target,
          failure(
            `the disk ${quoteName(path)} is on ${controller}, which the same XML assigns as a whole: when the controller is moved the path is gone`,
            pasteXml(
              on,
              `<disk> ${quoteName(target)}, without the <hostdev> of ${controller}`,
              [
                "<disk type='nvme' device='disk'>",
                "  <driver name='qemu' type='raw'/>",
                `  <source type='pci' managed='yes' namespace='${namespace}'>`,
                `    ${sourceAddress(controller)}`,
                '  </source>',
                `  <target dev='${/^\w+$/.test(target) ? target : 'vda'}' bus='virtio'/>`,
                '</disk>',
              ].join('\n'),
            ),
            advice('or leave this <disk> out: the guest sees it behind the controller'),
          ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok('none');
  },
};

/** The PCI function of a disk: the last one on the way to its controller in /sys/class/nvme. */
function controllerOf(host: Host, path: string): PciAddress | undefined {
  const name = (realPath(host, path) ?? path).split('/').pop() ?? '';
  const controller = /^(nvme\d+)(?:c\d+)?n\d+/.exec(name)?.[1];
  if (controller === undefined) return undefined;
  const link = host.readLink(`${places.nvmeControllers}/${controller}`) ?? '';
  return link
    .split('/')
    .flatMap((step) => parsePciAddress(step) ?? [])
    .pop();
}

/** What the XML asks of iommufd, the kernel has. */
export const iommufd: Check<GuestExamination> = {
  title: 'iommufd',
  run: (on) => {
    const asking = on.features.devices.filter((device) => device.iommufd);
    if (asking.length === 0) return ok('not asked for');
    if (on.host.status(places.iommufd) !== undefined) return ok('asked for, and there');
    if (!on.hasFiles) return unknown(`whether that machine has ${places.iommufd} cannot be seen from here`);
    return failure(
      `the XML asks for it for ${asking.map(({ address }) => address).join(', ')}, and this kernel has no ${places.iommufd}`,
      pasteXml(on, 'each of these <hostdev>', "<driver iommufd='no'/>"),
    );
  },
};

/** A graphics card sits on PCI Express. */
export const machine: Check<GuestExamination> = {
  title: 'machine type',
  run: (on) => {
    const type = on.features.machine;
    if (type === '') return unknown('the XML does not say');
    const cards = [...on.devices.values()].filter(({ class: code }) => isDisplay(code));
    if (!/^(?:pc|pc-i440fx.*)$/.test(type) || cards.length === 0) return ok(type);
    return warning(
      `${type} has no PCI Express: drivers of graphics cards see a card without its link, and some refuse it`,
      advice('make a new guest with machine type q35: a guest that is there cannot simply be changed'),
    );
  },
};
