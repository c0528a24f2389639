import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defaultConfig, mergeConfig } from '../../src/config/config.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { dieBefore, scenarios, type Scenario } from '../scenario.ts';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));
const text = (path: string): string => readFileSync(`${examples}${path}`, 'utf8');

/** The example of a guest for games: its XML and its configuration, on its machine. */
describe('a guest for games', () => {
  const open = scenarios();
  const domain = parseDomain(text('domains/tuned-gaming.xml'));

  function machine(): Scenario {
    const path = 'configs/tuned-gaming.yaml';
    const config = mergeConfig(defaultConfig, decodeConfigFile(text(path), `/${path}`, 'guest'));
    const on = open({ host: 'tuned-desktop', config, vfioLoaded: true });
    on.hasOwnConfig = true;
    return on;
  }

  it('has all that it asks for while it runs, and leaves nothing of it', async () => {
    const on = machine();
    await on.prepare(domain);
    const facts = [
      'huge pages of 2048 kB on node 0',
      'CPUs of user.slice',
      'new interrupts',
      'interrupt 46',
      'interrupt 60',
      'frequency policy3',
      'frequency policy0',
      'unit irqbalance.service',
      'unit vfio-hook-latency@20.service',
    ];
    assert.deepEqual(
      facts.map((fact) => on.fact(fact)),
      [
        '8192',
        '0,8 effective 0,8',
        '0,8',
        '0-1,8-9',
        '0,8',
        'performance performance',
        'powersave balance_performance',
        'inactive',
        'active',
      ],
    );
    assert.equal(on.driver('0000:03:00.0'), 'vfio-pci');
    assert.ok(!on.log.some(({ message }) => message.includes('irqbalance runs')));
    await on.release(domain.name);
    on.nothingDiffers();
  });

  it('leaves nothing of it after a death in the middle either', async () => {
    for (const nth of [3, 9, 17, 26, 40, 60]) {
      const on = machine();
      const live = dieBefore(on, nth);
      await on.prepare(domain).catch(() => undefined);
      await on.release(domain.name).catch(() => undefined);
      assert.ok(live(), `there are ${nth} calls`);
      await on.recover();
      on.nothingDiffers();
    }
  });
});
