import { count, plural } from '../count.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import { gpuInstances, type GpuInstance } from '../observe/mig.ts';
import { creatableTypes, vgpuFunction, vgpuFunctions, vgpuManager } from '../observe/vgpu.ts';
import type { Host } from '../host/host.ts';
import { pciHostdevs } from '../domain/domain.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { isCalled, vgpuWords } from '../pci/vgpu.ts';
import { vgpuWishes } from '../resource/vgpu/wishes.ts';
import { quoteName } from '../text.ts';
import type { Check, Examination } from './examination.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';

/** How long a driver may take to tell. */
const ANSWER_MS = 5000;

/**
 * Where virtual functions stay on NVIDIA's driver, its two services do their part: nvidia-vgpud tells the driver at boot
 * which types there are, and nvidia-vgpu-mgr has to run while a guest has a vGPU.
 */
export const vgpuServices: Check = {
  title: 'services of a vGPU host',
  run: async ({ host }) => {
    const cards = vgpuCards(host);
    if (cards.length === 0) return ok('no virtual function is one of a vGPU host');
    const findings: Found[] = [];
    if (vgpuManager(host) === 'stopped') {
      findings.push(
        failure(
          'nvidia-vgpu-mgr does not run: a guest with a vGPU does not start, and one that runs loses it',
          command('systemctl start nvidia-vgpu-mgr.service'),
          command('journalctl -b -u nvidia-vgpu-mgr'),
        ),
      );
    }
    for (const card of cards) {
      const functions = vgpuFunctions(host, card);
      const [first] = functions;
      if (!first || functions.some(({ type }) => type !== 0)) continue;
      if ((await creatableTypes(host, first.address, ANSWER_MS)).length > 0) continue;
      const instances = await gpuInstances(host, card, ANSWER_MS);
      if (instances.length > 0) {
        findings.push(about(card, withoutTypes(card, instances)));
        continue;
      }
      findings.push(
        about(
          card,
          warning(
            'it offers no vGPU types, and there is no vGPU on it: nvidia-vgpud tells the driver which there are',
            command('systemctl restart nvidia-vgpud.service nvidia-vgpu-mgr.service'),
            command('journalctl -b -u nvidia-vgpud'),
            advice(
              'a card in MIG mode offers them once it has GPU instances, which sriov-manage takes away: nvidia-smi mig -lgip',
            ),
          ),
        ),
      );
    }
    return findings.length > 0 ? findings : ok(`nothing is missing for ${cards.join(', ')}`);
  },
};

/** A card in MIG mode: its GPU instances are there, and what a vGPU lives on is a compute instance. */
function withoutTypes(card: PciAddress, instances: readonly GpuInstance[]): Found {
  const empty = instances.filter(({ computeInstances }) => computeInstances === 0).map(({ id }) => id);
  const all = count(instances.length, 'GPU instance');
  const missing =
    empty.length > 0
      ? `, of which ${empty.join(', ')} ${plural(empty.length, 'has', 'have')} no compute instance`
      : '';
  return warning(
    `it is in MIG mode with ${all}${missing}, and offers no vGPU types`,
    ...(empty.length > 0
      ? [command(`nvidia-smi mig -cci -gi ${empty.join(',')} -i ${card}`)]
      : [command('systemctl restart nvidia-vgpud.service nvidia-vgpu-mgr.service')]),
    command('journalctl -b -u nvidia-vgpud'),
  );
}

/**
 * Guests whose vGPUs are on one card want them of one size, unless the card was put into the mode for mixed sizes before
 * its first one (nvidia-smi vgpu -shm; sriov-manage takes it out of it again), or is cut into GPU instances, each of which
 * has a size of its own.
 */
export const vgpuSizes: Check = {
  title: 'vGPUs of different sizes on one card',
  run: async (on) => {
    const wanted = new Map<PciAddress, Map<string, string>>();
    for (const { name, xml } of on.guests()) {
      for (const { card, type } of xml ? typesOf(on, xml.domain) : []) {
        const types = wanted.get(card) ?? new Map<string, string>();
        wanted.set(card, types.set(type, types.get(type) ?? name));
      }
    }
    const findings: Found[] = [];
    for (const [card, types] of wanted) {
      if (types.size < 2 || (await gpuInstances(on.host, card, ANSWER_MS)).length > 0) continue;
      const list = [...types].map(([type, name]) => `${quoteName(name)} wants ${type}`).join(', ');
      findings.push(
        about(
          card,
          warning(
            `${list}: a card has one size at a time, unless it is in the mode for mixed sizes`,
            command(`nvidia-smi vgpu -shm 1 -i ${card}`),
            advice('before its first vGPU, and after each sriov-manage; not with MIG'),
          ),
        ),
      );
    }
    return findings.length > 0 ? findings : ok('no two guests want that');
  },
};

type Domain = NonNullable<ReturnType<Examination['guests']>[number]['xml']>['domain'];

/** What a guest wants of cards whose virtual functions are there. */
function typesOf(
  { engine, host }: Examination,
  domain: Domain,
): readonly { readonly card: PciAddress; readonly type: string }[] {
  const assigned = pciHostdevs(domain).map(({ address }) => address);
  const cardOf = (address: PciAddress): PciAddress | undefined => vgpuFunction(host, address)?.physical;
  if (!assigned.some((address) => cardOf(address))) return [];
  try {
    return vgpuWishes(engine.loadConfig(domain).vgpu, assigned, cardOf).flatMap(({ key, wish }) => {
      const address = parsePciAddress(key);
      const card = address && cardOf(address);
      return card ? [{ card, type: wish.name === '' ? vgpuWords(wish.type) : plainName(wish.name) }] : [];
    });
  } catch (error) {
    // What is wrong with its configuration is said by the check of that.
    if (error instanceof VfioHookError || errnoOf(error) !== undefined) return [];
    throw error;
  }
}

/** One text for all ways to write a name. */
function plainName(name: string): string {
  const short = name.replace(/^(?:nvidia|grid) +/i, '');
  return isCalled({ id: 0, name }, short) ? short.toUpperCase() : name;
}

/** The cards that have such functions now. */
function vgpuCards(host: Host): readonly PciAddress[] {
  return (host.list(sysfs.nvidiaCards) ?? [])
    .flatMap((name) => parsePciAddress(name) ?? [])
    .filter((card) => vgpuFunctions(host, card).length > 0);
}
