import { count } from '../../count.ts';
import { mdevHostdevs } from '../../domain/domain.ts';
import { VfioHookError } from '../../errors.ts';
import { advice, command } from '../../hint.ts';
import { readMdev } from '../../observe/mdev.ts';
import { mdevctlDefinition } from '../../observe/mdevctl.ts';
import type { Check, GuestExamination } from '../examination.ts';
import { about, failure, ok, warning, type Found } from '../finding.ts';
import { pasteXml } from './snippets.ts';

/** A mediated device is there, or something says what it is to be made of. */
export const mdevKnown: Check<GuestExamination> = {
  title: 'mediated devices',
  run: (on) => {
    const uuids = mdevHostdevs(on.domain).map(({ uuid }) => uuid);
    if (uuids.length === 0) return ok('the XML assigns none');
    const findings = uuids.flatMap((uuid): Found[] => {
      if (typeOf(on, uuid) !== undefined) return [];
      return [
        about(
          uuid,
          warning(
            'it is not there, and neither the configuration nor mdevctl says what it is to be made of: libvirt refuses the start, unless another hook makes it',
            {
              kind: 'paste',
              into: `/etc/vfio-hook/domains/${on.domain.name}.yaml`,
              text: `mdev:\n  - uuid: ${uuid}\n    parent: auto\n    type: TYPE`,
            },
            command('vfio-hook mdev'),
          ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok(uuids.join(', '));
  },
};

/**
 * What GVT-g asks of a guest (drivers/gpu/drm/i915/gvt/kvmgt.c:intel_vgpu_open_device): KVM, and one device of a card
 * for each guest.
 */
export const gvtGuest: Check<GuestExamination> = {
  title: 'GVT-g',
  run: (on) => {
    const slices = mdevHostdevs(on.domain).filter(({ uuid }) => (typeOf(on, uuid) ?? '').includes('GVTg_'));
    if (slices.length === 0) return ok('the guest has no slice of Intel graphics that is known');
    const findings: Found[] = [];
    if (on.features.virtType !== 'kvm')
      findings.push(
        failure(
          'a slice of Intel graphics needs KVM, and the guest has none: QEMU does not start',
          pasteXml(on, 'the first line', "<domain type='kvm'>"),
        ),
      );
    if (slices.length > 1)
      findings.push(
        failure(
          `it has ${count(slices.length, 'slice')} of Intel graphics, and the kernel gives a guest one: QEMU ends with "File exists"`,
          advice(`keep one of ${slices.map(({ uuid }) => uuid).join(', ')}, of a larger type`),
        ),
      );
    return findings.length > 0 ? findings : ok('one slice, and KVM');
  },
};

/** The type of one that is there, else what the configuration or mdevctl makes of it. */
function typeOf({ host, engine, domain }: GuestExamination, uuid: string): string | undefined {
  const there = readMdev(host, uuid)?.type;
  if (there !== undefined) return there;
  try {
    return (
      engine.loadConfig(domain).mdev.find((rule) => rule.uuid === uuid)?.type ??
      mdevctlDefinition(host, uuid)?.type
    );
  } catch (error) {
    // That a file is broken is for other checks to say.
    if (error instanceof VfioHookError) return undefined;
    throw error;
  }
}
