import type { PciAddress } from '../pci/address.ts';
import type { Wish } from './verdict.ts';

/** A configuration that says what is wished, as lines of YAML; each key once, with all that is wished of it. */
export function configText(wishes: readonly Wish[]): string[] {
  const of = <K extends Wish['key']>(key: K): Extract<Wish, { key: K }>[] =>
    wishes.filter((wish): wish is Extract<Wish, { key: K }> => wish.key === key);
  const [pages] = of('hugepages');
  const governor = of('governor').at(-1)?.governor;
  const load = new Set(of('modules').flatMap((wish) => wish.load));
  return [
    ...(of('display').length > 0 ? ['display:', '  release: auto'] : []),
    ...services(of('services')),
    ...(governor === undefined ? [] : [`governor: ${governor}`]),
    ...(pages
      ? [
          'hugepages:',
          `  size: ${sizeText(pages.sizeKb)}`,
          `  count: ${pages.count}`,
          ...(pages.node === undefined ? [] : [`  node: ${pages.node}`]),
        ]
      : []),
    ...(of('cpus').length > 0 ? ['cpus:', '  isolate: auto'] : []),
    ...(load.size > 0 ? ['modules:', `  load: [${[...load].join(', ')}]`] : []),
    ...rules(of('bars'), of('between')),
  ];
}

function services(wishes: readonly Extract<Wish, { key: 'services' }>[]): string[] {
  const units = (to: 'stop' | 'start'): string[] => [
    ...new Set(wishes.filter((wish) => wish.to === to).flatMap((wish) => wish.units)),
  ];
  // What is stopped and started at once is started in the end.
  const start = units('start');
  const stop = units('stop').filter((unit) => !start.includes(unit));
  const list = (key: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`  ${key}:`, ...names.map((name) => `    - ${JSON.stringify(name)}`)];
  const lines = [...list('stop', stop), ...list('start', start)];
  return lines.length === 0 ? [] : ['services:', ...lines];
}

function rules(
  bars: readonly Extract<Wish, { key: 'bars' }>[],
  between: readonly Extract<Wish, { key: 'between' }>[],
): string[] {
  const devices: readonly PciAddress[] = [...new Set([...bars, ...between].map(({ device }) => device))];
  if (devices.length === 0) return [];
  return [
    'devices:',
    ...devices.flatMap((device) => {
      // The last one wins, as the last write does.
      const sizes = new Map(bars.filter((each) => each.device === device).map(({ bar, bit }) => [bar, bit]));
      return [
        `  - match: "${device}"`,
        ...(sizes.size > 0
          ? ['    bars:', ...[...sizes].map(([bar, bit]) => `      ${bar}: ${2 ** bit}MiB`)]
          : []),
        ...(between.some((each) => each.device === device) ? ['    between:', '      - reset: true'] : []),
      ];
    }),
  ];
}

function sizeText(kb: number): string {
  if (kb % 2 ** 20 === 0) return `${kb / 2 ** 20}GiB`;
  return kb % 1024 === 0 ? `${kb / 1024}MiB` : `${kb}KiB`;
}
