import { quoteName } from '../text.ts';
import { numbersIn, parseBitmap, type Bitmap } from './bitmap.ts';
import { childrenNamed, type Element } from './element.ts';
import { at } from './guest-system.ts';
import { refuse } from './refuse.ts';

/** Numbers of CPUs are below VIR_DOMAIN_CPUMASK_LEN (src/conf/domain_conf.h). */
const MOST_CPUS = 16_384;

/**
 * The CPUs of the host that a guest runs on, by its XML (docs/formatdomain.rst, CPU Tuning): those that its virtual CPUs are
 * pinned to, each by its `<vcpupin>` or else by the `cpuset` of `<vcpu>`, and those of its emulator and I/O threads as far as
 * they have a pin of their own. In ascending order; undefined: any of them, since a virtual CPU is pinned nowhere. Throws
 * VH_XML for a `cpuset` that libvirt does not take either.
 */
export function hostCpus(domain: Element): readonly number[] | undefined {
  const tuning = at(domain, 'cputune');
  const named = (name: string): readonly Element[] => (tuning ? childrenNamed(tuning, name) : []);
  const pins = named('vcpupin');
  const vcpu = at(domain, 'vcpu');
  // With placement='auto', numad chooses, and the cpuset is not looked at.
  const isShared = vcpu?.attributes.has('cpuset') === true && vcpu.attributes.get('placement') !== 'auto';
  const pinned = new Set(pins.map(({ attributes }) => attributes.get('vcpu')));
  const isWhole = pinned.size >= countOf(vcpu);
  const elements = [
    ...pins,
    ...named('emulatorpin'),
    ...named('iothreadpin'),
    ...(isShared && !isWhole ? [vcpu] : []),
  ];
  const cpus = numbersIn(cpusets(elements), MOST_CPUS);
  return isWhole || isShared ? cpus : undefined;
}

/** How many virtual CPUs a guest starts with (virDomainVcpuParse): one where the XML does not say. */
function countOf(vcpu: Element | undefined): number {
  const text = vcpu?.attributes.get('current') ?? vcpu?.text.trim() ?? '';
  return /^\d{1,5}$/.test(text) ? Number(text) : 1;
}

/** One after the other: a guest may have thousands of them. */
function* cpusets(elements: readonly Element[]): Generator<Bitmap> {
  for (const { name, attributes } of elements) {
    const text = attributes.get('cpuset') ?? '';
    yield (
      parseBitmap(text, MOST_CPUS) ??
      refuse(`<${name}> has the cpuset ${quoteName(text)}, expected CPUs of the host such as "0-3,^2,8"`)
    );
  }
}
