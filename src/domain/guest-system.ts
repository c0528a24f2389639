import { VfioHookError } from '../errors.ts';
import { childrenNamed, type Element } from './element.ts';
import { readDomainElement, wholly } from './parse.ts';

/** Whether a guest has Windows, and what in the XML says so. */
export type GuestSystem =
  /** `likely`: what it is concluded from could be there for another system, too. */
  { readonly windows: 'yes' | 'likely'; readonly from: string } | { readonly windows: 'no' | 'unknown' };

/** Where virt-manager and others write which system it is. */
const LIBOSINFO = 'http://libosinfo.org/xmlns/libvirt/domain/1.0';
const METADATA = wholly('metadata');

/**
 * Concludes from a document that {@link readDomainElement} takes whether the guest has Windows: from libosinfo's
 * metadata, which alone can say no; from enlightenments of Hyper-V, which hardly anything else wants; else from a clock
 * in local time, and from a TPM beside Secure Boot, as the installation of Windows 11 asks for them.
 */
export function guestSystem(xml: string, domain: Element): GuestSystem {
  const id = osId(xml);
  if (id?.startsWith('http://microsoft.com/win')) return { windows: 'yes', from: 'its libosinfo metadata' };
  if (id !== undefined && !/\/unknown\b/.test(id)) return { windows: 'no' };
  if (at(domain, 'features', 'hyperv')) return { windows: 'yes', from: 'its Hyper-V features' };
  const clock = at(domain, 'clock');
  if (clock?.attributes.get('offset') === 'localtime') {
    return { windows: 'likely', from: 'its clock, which is in local time' };
  }
  const timers = clock ? childrenNamed(clock, 'timer') : [];
  if (timers.some(({ attributes }) => attributes.get('name') === 'hypervclock')) {
    return { windows: 'likely', from: 'its timer hypervclock' };
  }
  if (at(domain, 'devices', 'tpm') && hasSecureBoot(domain)) {
    return { windows: 'likely', from: 'its TPM and Secure Boot' };
  }
  return { windows: 'unknown' };
}

/** Metadata of any size and kind is allowed, so what cannot be read of it says nothing. */
function osId(xml: string): string | undefined {
  try {
    const metadata = childrenNamed(readDomainElement(xml, METADATA), 'metadata');
    return metadata
      .flatMap((each) => childrenNamed(each, 'libosinfo', LIBOSINFO))
      .flatMap((each) => childrenNamed(each, 'os', LIBOSINFO))
      .flatMap(({ attributes }) => attributes.get('id') ?? [])[0];
  } catch (error) {
    if (error instanceof VfioHookError) return undefined;
    throw error;
  }
}

function hasSecureBoot(domain: Element): boolean {
  if (at(domain, 'os', 'loader')?.attributes.get('secure') === 'yes') return true;
  const firmware = at(domain, 'os', 'firmware');
  return (firmware ? childrenNamed(firmware, 'feature') : []).some(
    ({ attributes }) => attributes.get('name') === 'secure-boot' && attributes.get('enabled') === 'yes',
  );
}

/** The first element on the way down from `parent`. */
export function at(parent: Element, ...names: readonly string[]): Element | undefined {
  let element: Element | undefined = parent;
  for (const name of names) element = element && childrenNamed(element, name)[0];
  return element;
}
