import assert from 'node:assert/strict';
import { expectGolden } from '../golden.ts';
import { defects } from './defects.ts';
import { explore } from './explore.ts';
import { figures, nameOf, traceOf } from './report.ts';
import { reduced } from './settings.ts';

describe('the protocol, in every order of events', () => {
  for (const setting of reduced) {
    it(`loses no device, harms no guest and always leads back: ${nameOf(setting)}`, async function () {
      this.timeout(120_000);
      const exploration = await explore(setting);
      if (exploration.violation) assert.fail(`\n${traceOf(exploration.violation)}`);
      assert.ok(exploration.worlds > 1000, `only ${figures(exploration)}`);
    });
  }
});

describe('the explorer', () => {
  const traces: string[] = [];

  for (const { name, setting, tamper, finds } of defects) {
    it(`finds a protocol in which ${name}`, async function () {
      this.timeout(120_000);
      const { violation } = await explore(setting, { tamper });
      assert.ok(violation, 'it found nothing');
      assert.match(violation.wrong, finds);
      traces.push(`${name}\n${nameOf(setting)}\n${traceOf(violation)}\n`);
    });
  }

  it('says how, in the fewest steps', () => {
    assert.equal(traces.length, defects.length);
    expectGolden('model/golden/defects.txt', traces.join('\n'));
  });
});
