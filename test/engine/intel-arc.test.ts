import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { defaultConfig, mergeConfig } from '../../src/config/config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { guest, machineSpec, scenarios } from '../scenario.ts';

const CARD = '0000:03:00.0';
const SOUND = '0000:04:00.0';
const EXAMPLE = 'examples/configs/intel-arc.yaml';

describe('an Intel Arc card, by the example of its configuration', () => {
  const open = scenarios();
  const { devices } = mergeConfig(
    defaultConfig,
    decodeConfigFile(readFileSync(EXAMPLE, 'utf8'), EXAMPLE, 'guest'),
  );
  const bars = machineSpec('intel-arc').devices.find(({ address }) => address === CARD)?.bars ?? [];

  for (const [size, words] of [
    [256 * 2 ** 20, '256 MiB'],
    [16 * 2 ** 30, '16 GiB'],
  ] as const) {
    it(`has all of its memory behind BAR 2 while a guest has it, and ${words} as before afterwards`, async () => {
      const on = open({
        host: 'intel-arc',
        config: { devices },
        devicesOfHost: {
          [CARD]: { bars: bars.map((bar) => (bar.index === 2 ? { ...bar, size } : bar)) },
        },
      });
      assert.equal(on.fact(`${CARD} bar 2`), words);
      await on.prepare(guest('media-arc', CARD, SOUND));
      assert.deepEqual([on.driver(CARD), on.driver(SOUND)], ['vfio-pci', 'vfio-pci']);
      assert.equal(on.fact(`${CARD} bar 2`), '16 GiB');
      await on.release('media-arc');
      on.nothingDiffers();
    });
  }
});
