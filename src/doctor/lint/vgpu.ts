import { pciHostdevs } from '../../domain/domain.ts';
import { advice, command } from '../../hint.ts';
import { installedLibvirt } from '../../observe/take-snapshot.ts';
import { libvirtFacts } from '../../pci/libvirt-facts.ts';
import { vgpuWishes } from '../../resource/vgpu/wishes.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, failure, ok, type Found } from '../finding.ts';
import { pasteXml, sourceAddress } from './snippets.ts';

/**
 * A virtual function that stays on NVIDIA's driver is assigned with managed='no': libvirt would take it from that driver,
 * which forgets it for good. libvirt takes a function of another driver than vfio-pci since 9.7 only
 * (src/util/virpci.c:virPCIDeviceGetCurrentDriverNameAndType).
 */
export const vgpuHostdev: Check<GuestExamination> = {
  title: 'virtual functions with a vGPU',
  run: (on) => {
    const functions = pciHostdevs(on.domain).filter(
      ({ address }) => on.devices.get(address)?.vgpuType !== undefined,
    );
    if (functions.length === 0) return ok('none');
    const version = installedLibvirt(on.host);
    const findings: Found[] = [];
    for (const { address, managed } of functions) {
      if (managed)
        findings.push(
          about(
            address,
            failure(
              "it says managed='yes': libvirt would take the function from NVIDIA's driver, which breaks its vGPU until the card makes all its virtual functions again; vfio-hook refuses the start",
              pasteXml(
                on,
                `the <hostdev> of ${address}`,
                [
                  "<hostdev mode='subsystem' type='pci' managed='no'>",
                  '  <source>',
                  `    ${sourceAddress(address)}`,
                  '  </source>',
                  '</hostdev>',
                ].join('\n'),
              ),
            ),
          ),
        );
      if (!libvirtFacts(version).acceptsVariants)
        findings.push(
          about(
            address,
            failure(
              `libvirt ${version ?? ''} takes no function that is on another driver than vfio-pci, and this one stays on nvidia`,
              advice('install libvirt 9.7 or later'),
            ),
          ),
        );
    }
    for (const { address } of withoutType(on))
      findings.push(
        about(
          address,
          failure(
            'there is no vGPU on it, and no configuration says which: the guest does not start',
            advice(`write into the configuration: vgpu: [{ vf: "${address}", type: … }]`),
            command('vfio-hook vgpu'),
          ),
        ),
      );
    return findings.length > 0
      ? findings
      : ok(`${functions.map(({ address }) => address).join(', ')}: managed='no', and a type is known`);
  },
};

function withoutType({ domain, devices, engine }: GuestExamination): ReturnType<typeof pciHostdevs> {
  const all = pciHostdevs(domain);
  const wishes = vgpuWishes(
    engine.loadConfig(domain).vgpu,
    all.map(({ address }) => address),
    (address) => {
      const device = devices.get(address);
      return device?.vgpuType === undefined ? undefined : device.physicalFunction;
    },
  );
  return all.filter(
    ({ address }) => devices.get(address)?.vgpuType === 0 && !wishes.some(({ key }) => key === address),
  );
}
