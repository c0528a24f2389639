import assert from 'node:assert/strict';
import { ownerPhrase } from '../../src/claim/owner.ts';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultConfig } from '../../src/config/config.ts';
import { createMachineFile } from '../../simulator/machine.ts';
import { failureOf, guest, machineSpec, scenarios, stateDirectory } from '../scenario.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const USB = '0000:0f:00.3';
const program = fileURLToPath(new URL('processes/prepare.ts', import.meta.url));

/** Prepares a guest in a process of its own; how that ended. */
async function start(directory: string, name: string, ...devices: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import=tsx', program, directory, name, ...devices], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}

describe('two guests at once', () => {
  const scenario = scenarios();
  let directory = '';
  beforeEach(() => {
    directory = stateDirectory();
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  for (const round of [1, 2, 3]) {
    it(`never get one group: exactly one has it, and the other one’s name is not on any write (round ${round})`, async () => {
      const machine = createMachineFile(join(directory, 'machine.json'), machineSpec('amd-rdna3-desktop'));
      const ends = await Promise.all([start(directory, 'a', GPU), start(directory, 'b', SOUND)]);
      const winner = ends.indexOf('held');
      assert.notEqual(winner, -1, ends.join('\n'));
      const [name, device] = winner === 0 ? ['a', SOUND] : ['b', GPU];
      assert.equal(
        ends[1 - winner],
        `VH_BUSY: cannot give ${device} to guest "${winner === 0 ? 'b' : 'a'}": guest "${name}" holds it`,
      );
      assert.equal(new Set(machine.journal().map(({ pid }) => pid)).size, 1, 'only one process wrote');
    });
  }

  it('get their groups at the same time when these are disjoint', async () => {
    const machine = createMachineFile(join(directory, 'machine.json'), machineSpec('amd-rdna3-desktop'));
    assert.deepEqual(await Promise.all([start(directory, 'a', GPU), start(directory, 'b', USB)]), [
      'held',
      'held',
    ]);
    assert.deepEqual(
      [GPU, SOUND, USB].map((address) => machine.state().devices[address]?.driver),
      ['vfio-pci', 'vfio-pci', 'vfio-pci'],
    );
  });

  it('wait for each other only as long as the configuration says', async () => {
    const s = scenario({ config: { timeouts: { ...defaultConfig.timeouts, lock: 100 } } });
    const first = s.prepare(guest('first', GPU));
    const error = await failureOf(s.prepare(guest('second', SOUND)));
    assert.equal(error.code, 'VH_LOCK');
    assert.equal(
      error.message,
      `IOMMU group 16 is being worked on by guest "first" (pid ${process.pid}), which did not finish in 0.1 s`,
    );
    await first;
    assert.deepEqual(
      s.claims().map((claim) => ownerPhrase(claim.owner)),
      ['guest "first"'],
    );
    assert.ok(
      s.log.some(
        ({ severity, message }) => severity === 'notice' && message.startsWith('waiting for guest "first"'),
      ),
    );
  });
});
