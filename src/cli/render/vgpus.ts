import { ownerPhrase } from '../../claim/owner.ts';
import { count } from '../../count.ts';
import type { ListedVgpu, VgpuCard } from '../../engine/list-vgpus.ts';
import type { PciNames } from '../../pci/names.ts';
import { escapeControl } from '../../text.ts';

/** Cards in words: what is on their virtual functions, how many are free, what could be made. */
export function vgpusText(cards: readonly VgpuCard[], names: PciNames): string {
  if (cards.length === 0) return 'this host has no NVIDIA card with virtual functions';
  return cards.map((card) => cardLines(card, names).join('\n')).join('\n\n');
}

function cardLines(card: VgpuCard, names: PciNames): string[] {
  const { address, driver = 'no driver', totalVfs } = card;
  return [
    `${address} ${escapeControl(names.describe(card))}`,
    `  on ${driver}, up to ${totalVfs} virtual functions`,
    ...instanceLines(card).map((line) => `  ${line}`),
    ...bodyLines(card).map((line) => `  ${line}`),
  ];
}

/** Without instances nobody tells whether a card is in MIG mode. */
function instanceLines({ gpuInstances }: VgpuCard): string[] {
  if (gpuInstances.length === 0) return [];
  const each = gpuInstances.map(
    ({ id, computeInstances }) => `${id} (${count(computeInstances, 'compute instance')})`,
  );
  return [`in MIG mode, ${count(gpuInstances.length, 'GPU instance')}: ${each.join(', ')}`];
}

function bodyLines({ address, driver, framework, creatable, functions }: VgpuCard): string[] {
  switch (framework) {
    case 'unknown':
      return driver === 'nvidia'
        ? [`they are not there; to make them: sudo /usr/lib/nvidia/sriov-manage -e ${address}`]
        : ['they are not there, and only its driver nvidia makes them'];
    case 'mdev':
      return [
        'they are parents of mediated devices: this driver has no vGPU types on the functions themselves',
      ];
    case 'other':
      return ['they are no vGPUs: the driver that is loaded is not one of a vGPU host'];
    case 'vgpu': {
      const used = functions.filter(
        ({ type, owner, openBy }) => type !== 0 || owner !== undefined || openBy !== undefined,
      );
      const free = functions.filter((each) => !used.includes(each));
      return [
        ...used.map(functionLine),
        ...(free.length > 0 ? [`${count(free.length, 'is', 'are')} free: ${rangesOf(free)}`] : []),
        ...creatableLines(creatable),
      ];
    }
  }
}

function functionLine({ address, type, name, owner, openBy }: ListedVgpu): string {
  const what = type === 0 ? 'no vGPU' : `${type} ${escapeControl(name ?? '(name not known)')}`;
  const who = owner ? escapeControl(ownerPhrase(owner)) : 'no claim';
  return `${address}  ${what}, ${who}${openBy === undefined ? '' : `, open in ${escapeControl(openBy)}`}`;
}

/** Neighbours as a range. They are in the order of their addresses. */
function rangesOf(functions: readonly ListedVgpu[]): string {
  const [first, last] = [functions[0], functions.at(-1)];
  if (!first || !last) return '';
  return first === last ? first.address : `${first.address} to ${last.address}`;
}

function creatableLines(creatable: VgpuCard['creatable']): string[] {
  if (creatable.length === 0)
    return ['nothing more can be made: the card is full, or its driver offers no types'];
  return [
    'each of them can be:',
    ...creatable.map(({ id, name }) => `  ${String(id).padStart(5)}  ${escapeControl(name)}`),
  ];
}

/** Cards as data; docs/json.md describes it. */
export function vgpusJson(cards: readonly VgpuCard[], names: PciNames): unknown {
  return cards.map(({ functions, ...card }) => ({
    ...card,
    name: names.device(card.vendor, card.device),
    functions: functions.map(({ address, type, name, owner, openBy }) => ({
      address,
      type,
      name,
      owner,
      openBy,
    })),
  }));
}
