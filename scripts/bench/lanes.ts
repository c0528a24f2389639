/**
 * A guest with eight cards against a guest with one, each card with four functions whose drivers take 300 ms to let go:
 * how much of it the hook does side by side. Alone: npx tsx scripts/bench/lanes.ts
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse, stringify } from 'yaml';
import type { WrittenDescription, WrittenDevice } from '../../simulator/description-schema.ts';
import { parseDescription } from '../../simulator/description.ts';
import { MACHINE_FILE } from '../../simulator/entry.ts';
import { createMachineFile } from '../../simulator/machine.ts';

/** What one comparison came to: the time of eight cards divided by that of one. */
export interface LanesRow {
  readonly what: string;
  /** One for each round, in milliseconds. */
  readonly eight: readonly number[];
  readonly one: readonly number[];
  /** The middle of the rounds' ratios, and the largest that is aimed at. */
  readonly ratio: number;
  readonly aim: number;
}

const UNBIND_MS = 300;
const AIM = 1.25;

/** Measures the build in dist/ on a simulated machine in a file. */
export function lanesRows(rounds: number): readonly LanesRow[] {
  const times = {
    start: { eight: [] as number[], one: [] as number[] },
    end: { eight: [] as number[], one: [] as number[] },
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, cards] of [
      ['one', CARDS.slice(0, 1)],
      ['eight', CARDS],
    ] as const) {
      const { start, end } = life(cards);
      times.start[name].push(start);
      times.end[name].push(end);
    }
  }
  return [
    rowOf(`start, 8 cards x 4 functions, ${UNBIND_MS} ms an unbind`, times.start),
    rowOf(`end, 8 cards x 4 functions, ${UNBIND_MS} ms an unbind`, times.end),
  ];
}

function rowOf(what: string, { eight, one }: Pick<LanesRow, 'eight' | 'one'>): LanesRow {
  const ratios = eight.map((ms, round) => ms / (one[round] ?? NaN)).sort((a, b) => a - b);
  return { what, eight, one, ratio: ratios[Math.floor(ratios.length / 2)] ?? NaN, aim: AIM };
}

/** Milliseconds that the hook takes for the start and for the end of a guest with these cards, on a machine just booted. */
function life(cards: readonly string[]): { readonly start: number; readonly end: number } {
  const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-lanes-'));
  try {
    const machine = join(directory, 'machine');
    mkdirSync(machine);
    createMachineFile(join(machine, MACHINE_FILE), server).perform({
      do: 'fault',
      rule: { on: 'remove', times: 'always', effect: { kind: 'slow', ms: UNBIND_MS } },
    });
    const hook = (...call: readonly string[]): number => {
      const began = performance.now();
      const { status, stderr } = spawnSync(
        process.execPath,
        [resolve('dist/hook.cjs'), 'qemu', 'train', ...call, '--simulated-machine', machine],
        {
          input: domain(cards),
          encoding: 'utf8',
          env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
        },
      );
      if (status !== 0) throw new Error(`${call.join(' ')}: exit status ${status ?? 'none'}: ${stderr}`);
      return performance.now() - began;
    };
    return { start: hook('prepare', 'begin', '-'), end: hook('release', 'end', 'shutdown') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const description = parse(readFileSync('examples/hosts/server-8-gpu.yaml', 'utf8')) as WrittenDescription;
const gpus = description.devices.filter((device) => device.class === '030200');
const CARDS = gpus.map(({ address }) => address);

/** The server of the examples, whose cards have four functions each here. */
const server = parseDescription(
  stringify({
    ...description,
    devices: [
      ...description.devices,
      ...gpus.flatMap((gpu) => [1, 2, 3].map((number) => functionOf(gpu, number))),
    ],
  }),
  'server-8-gpu with more functions',
);

function functionOf({ address, behind, group }: WrittenDevice, number: number): WrittenDevice {
  return {
    address: address.replace(/\d$/, String(number)),
    ...(behind !== undefined && { behind }),
    ...(group !== undefined && { group }),
    id: `10de:1ae${number}`,
    class: '040300',
    driver: 'snd_hda_intel',
    bars: { '0': { size: '16K' } },
    power: 'auto',
  };
}

function domain(addresses: readonly string[]): string {
  const hostdevs = addresses.map((address) => {
    const [pci, bus, slot, number] = address.split(/[:.]/).map((digits) => `0x${digits}`);
    return `<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='${pci}' bus='${bus}' slot='${slot}' function='${number}'/></source></hostdev>`;
  });
  return `<domain type='kvm'><name>train</name><uuid>a3e50714-8f62-4031-8ead-7fb2d4139611</uuid><devices>${hostdevs.join('')}</devices></domain>`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const { what, one, eight, ratio, aim } of lanesRows(5)) {
    const ms = (times: readonly number[]): string => times.map((time) => time.toFixed(0)).join(' ');
    console.log(
      `${what}: ${ratio.toFixed(2)} times one card (aim: ${aim}); ${ms(eight)} ms against ${ms(one)} ms`,
    );
  }
}
