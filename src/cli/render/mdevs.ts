import pc from 'picocolors';
import { ownerPhrase } from '../../claim/owner.ts';
import type { InspectedDefinition, InspectedMdev, MdevInspection } from '../../engine/inspect-mdevs.ts';
import { typeWords, type MdevType } from '../../pci/mdev.ts';
import { escapeControl } from '../../text.ts';
import { hanging } from './fit.ts';
import { hintForPeople, plain } from './for-people.ts';
import type { RenderOptions } from './plan.ts';

/** A block for each parent with its types and devices, then definitions, then cards that make none. */
export function mdevsText(inspection: MdevInspection, options: RenderOptions): string {
  const { parents, devices, definitions, others } = inspection;
  const paint = pc.createColors(options.colour);
  const { names, columns } = options;
  const line = (head: string, text: string): string[] =>
    hanging(plain(escapeControl(head), options), plain(escapeControl(text), options), columns);
  const blocks = parents.map(({ name, driver, device, types }) => {
    const of = device?.physicalFunction;
    const named =
      device && `${names.describe(device)}${of === undefined ? '' : `, virtual function of ${of}`}`;
    const what = named ?? (driver === '' ? 'no PCI device' : `driver ${driver}`);
    const own = devices.filter(({ parent }) => parent === name);
    return [
      ...line(`${name}  `, what).map((each, index) => (index === 0 ? paint.bold(each) : each)),
      ...types.flatMap((type) => line('  type ', typeLine(type))),
      ...own.flatMap((each) => line(`  ${each.uuid}  `, deviceLine(each))),
    ];
  });
  const strangers = devices.filter(({ parent }) => !parents.some(({ name }) => name === parent));
  if (strangers.length > 0)
    blocks.push(
      strangers.flatMap((each) => line(`${each.uuid}  `, `${deviceLine(each)}, on ${each.parent}`)),
    );
  if (definitions.length > 0)
    blocks.push([
      'defined with mdevctl',
      ...definitions.flatMap((each) => line(`  ${each.uuid}  `, definitionLine(each, devices))),
    ]);
  if (others.length > 0)
    blocks.push([
      parents.length === 0 ? 'no card of this host makes mediated devices' : 'cards that make none',
      ...others.flatMap(({ card, reason, hints }) => [
        ...line(`  ${card.address}  `, reason),
        ...hints.flatMap((hint) => hintForPeople('    hint: ', hint, options)),
      ]),
    ]);
  if (blocks.length === 0) return 'nothing on this host makes mediated devices';
  return blocks.map((block) => block.join('\n')).join('\n\n');
}

function typeLine(type: MdevType): string {
  const { available, deviceApi, description } = type;
  const room = available === 0 ? 'no room for one more' : `room for ${available} more`;
  const api = deviceApi === 'vfio-pci' || deviceApi === '' ? '' : `, model ${deviceApi}`;
  return `${typeWords(type)}: ${room}${api}${description === '' ? '' : ` (${description})`}`;
}

function deviceLine({ type, group, openBy, claim }: InspectedMdev): string {
  const state = claim && claim.state !== 'held' ? ` (${claim.state})` : '';
  return [
    type,
    ...(group === undefined ? [] : [`IOMMU group ${group}`]),
    claim ? `${ownerPhrase(claim.owner)} has it${state}` : 'nobody’s that is known here',
    ...(openBy === undefined ? [] : [`open in ${openBy}`]),
  ].join(', ');
}

function definitionLine(definition: InspectedDefinition, devices: readonly InspectedMdev[]): string {
  if ('problem' in definition) return definition.problem;
  const { uuid, parent, type, start } = definition;
  const isThere = devices.some((each) => each.uuid === uuid);
  const how = start === 'auto' ? 'made with its parent' : 'made by hand, or for a guest';
  return `${type} on ${parent}, ${how}${isThere ? '' : ', not there now'}`;
}
