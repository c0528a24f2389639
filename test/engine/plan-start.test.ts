import assert from 'node:assert/strict';
import { groupsOfStart, planStart, startOf } from '../../src/engine/plan-start.ts';
import { refusalError } from '../../src/engine/make-plan.ts';
import { VfioHookError } from '../../src/errors.ts';
import { guest, scenarios, type Scenario } from '../scenario.ts';

const CARD = '0000:03:00.0';
const SOUND = '0000:03:00.1';

/** What `plan` says of a start: the sentence that refuses it, or that it may go on. */
async function verdictOf(scenario: Scenario, ...devices: string[]): Promise<string> {
  try {
    const engine = scenario.engine();
    const start = startOf(engine, guest('win11', ...devices));
    if (!start) return 'nothing to do';
    const { plan } = await planStart(engine, start, groupsOfStart(engine, start).wanted);
    return refusalError(plan)?.message ?? 'may start';
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    return error.message;
  }
}

describe('planStart', () => {
  const open = scenarios();
  const rows: Readonly<
    Record<string, readonly [prepare: (scenario: Scenario) => unknown, devices: string[]]>
  > = {
    'a free card': [() => undefined, [CARD]],
    'no device': [() => undefined, []],
    'a device that is not there': [() => undefined, ['0000:7f:00.0']],
    'a device of another guest': [(on) => on.prepare(guest('rival', SOUND)), [CARD]],
    'an open group': [
      async (on) => {
        await on.prepare(guest('win11', CARD));
        on.happens({ do: 'open-group', devices: [CARD, SOUND], guest: 'win11' });
      },
      [CARD],
    ],
    'a claim that cannot be read': [
      async (on) => {
        await on.prepare(guest('rival', '0000:0f:00.3'));
        on.damage('00000000-1111-4222-8333-444444444444.json', 'torn');
      },
      [CARD],
    ],
    'a write that has not returned': [
      async (on) => {
        on.config = { ...on.config, timeouts: { ...on.config.timeouts, kernelWrite: 300 } };
        on.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
        await assert.rejects(on.prepare(guest('rival', CARD)));
      },
      [CARD],
    ],
    'a bridge': [() => undefined, ['0000:02:00.0']],
  };
  for (const [title, [before, devices]] of Object.entries(rows)) {
    it(`${title}: says what prepare says`, async () => {
      const scenario = open();
      await before(scenario);
      const said = await verdictOf(scenario, ...devices);
      const done = await scenario.prepare(guest('win11', ...devices)).then(
        () => (devices.length === 0 ? 'nothing to do' : 'may start'),
        (error: unknown) => (error as Error).message,
      );
      assert.equal(said, done);
    });
  }

  it('changes nothing: no write, no claim, no lock', async () => {
    const scenario = open();
    assert.equal(await verdictOf(scenario, CARD), 'may start');
    assert.deepEqual(scenario.writes(), []);
    scenario.nothingDiffers();
  });
});
