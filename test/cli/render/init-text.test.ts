import assert from 'node:assert/strict';
import { guestOwner } from '../../../src/claim/owner.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { initialConfig } from '../../../src/cli/render/init-text.ts';
import { defaultConfig, mergeConfig, type Config } from '../../../src/config/config.ts';
import { decodeConfigFile } from '../../../src/config/decode.ts';
import { pciHostdevs, type Domain } from '../../../src/domain/domain.ts';
import { parseDomain } from '../../../src/domain/parse.ts';
import { makePlan } from '../../../src/engine/make-plan.ts';
import { VfioHookError } from '../../../src/errors.ts';
import type { Host } from '../../../src/host/host.ts';
import { createMachine } from '../../../simulator/machine.ts';
import { graphicsCards } from '../../../src/observe/graphics.ts';
import { groupsOf, takeSnapshot } from '../../../src/observe/take-snapshot.ts';
import { pciNames } from '../../../src/pci/names.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import type { Verdict } from '../../../src/plan/verdict.ts';
import { repository } from '../../hook/compiled.ts';
import { guest, machineSpec } from '../../scenario.ts';

const names = pciNames();
/** Every suggestion taken in. */
const takenIn = (text: string): string => text.replace(/^ {4}# /gm, '    ');

/** The groups of a guest's devices; undefined where the host does not have them. */
function groupsFor(host: Host, domain: Domain): number[] | undefined {
  try {
    return groupsOf(
      host,
      pciHostdevs(domain).map(({ address }) => address),
    );
  } catch (error) {
    if (error instanceof VfioHookError) return undefined;
    throw error;
  }
}

async function textFor(host: Host, domain: Domain): Promise<string> {
  const snapshot = await takeSnapshot(host, groupsFor(host, domain) ?? [], { deadlineMs: 1000 });
  const cards = graphicsCards(host)
    .filter(({ isVirtual }) => !isVirtual)
    .map(({ address }) => address);
  return initialConfig({ guest: domain, snapshot, names, cards });
}

async function planWith(host: Host, domain: Domain, config: Config): Promise<Plan> {
  const groups = groupsFor(host, domain) ?? [];
  const hostdevs = pciHostdevs(domain);
  return (await makePlan({ host, owner: guestOwner(domain), hostdevs, groups, config, claims: [] })).plan;
}

const outcome = (verdict: Verdict): string => (verdict.kind === 'refuse' ? verdict.code : verdict.kind);

/** What no proposal gives away: the disk that the host runs from, and a card that the session of a desktop is on. */
const isKept = (verdict: Verdict): boolean =>
  verdict.kind === 'refuse' &&
  verdict.uses?.some(({ reason, offered }) => reason === 'root-disk' || offered === false) === true;

const configOf = (text: string): Config => mergeConfig(defaultConfig, decodeConfigFile(text, 'a.yaml'));

describe('initialConfig', () => {
  let pairs = 0;
  for (const file of readdirSync(join(repository, 'examples/hosts'))) {
    const title = file.replace('.yaml', '');
    it(`on ${title}: is valid, changes nothing, and may be taken in whole`, async () => {
      const host = createMachine(machineSpec(title)).host();
      for (const name of readdirSync(join(repository, 'examples/domains'))) {
        const domain = parseDomain(readFileSync(join(repository, 'examples/domains', name), 'utf8'));
        if (pciHostdevs(domain).length === 0 || !groupsFor(host, domain)) continue;
        pairs += 1;
        const text = await textFor(host, domain);
        const before = await planWith(host, domain, defaultConfig);
        assert.deepEqual(await planWith(host, domain, configOf(text)), before, name);
        const bold = await planWith(host, domain, configOf(takenIn(text)));
        assert.deepEqual(
          bold.verdicts.map(outcome),
          // What the host uses is given away now, as far as that is proposed; all else stays as it was.
          before.verdicts.map((verdict) =>
            outcome(verdict) === 'host-use' && !isKept(verdict) ? 'bind' : outcome(verdict),
          ),
          name,
        );
      }
    });
  }
  after(() => {
    assert.ok(pairs > 5, 'hardly any guest was tried');
  });

  const fits: readonly (readonly [title: string, domain: string, expected: RegExp, hasCard: boolean])[] = [
    ['single-gpu-amd', 'windows-11-rx7900xtx', /\n# display:\n# {3}release: auto\n/, true],
    ['amd-rdna3-desktop', 'windows-11-rx7900xtx', /\n {4}# {3}2: 8MiB\n/, false],
    ['nvme-host', 'nvme-disk', /\n {4}# power: on\n {4}# d3cold: false\n/, false],
    ['nvme-host', 'nvme-disk', /\n# governor: performance\n/, false],
    ['amd-rdna3-desktop', 'usb-controller', /\n {4}# power: on\n/, false],
    ['laptop-hybrid', 'laptop-hybrid', /\n {4}# power: on\n/, false],
  ];
  for (const [title, name, expected, hasDisplay] of fits) {
    it(`proposes for ${name} on ${title} what fits: ${expected.source}`, async () => {
      const host = createMachine(machineSpec(title)).host();
      const domain = parseDomain(readFileSync(join(repository, `examples/domains/${name}.xml`), 'utf8'));
      const text = await textFor(host, domain);
      assert.match(text, expected);
      assert.equal(text.includes('# display:'), hasDisplay);
    });
  }

  it('proposes keys for the whole guest that can be taken in', async () => {
    const host = createMachine(machineSpec('single-gpu-amd')).host();
    const xml = readFileSync(join(repository, 'examples/domains/windows-11-rx7900xtx.xml'), 'utf8');
    const domain: Domain = {
      ...parseDomain(xml),
      hugepages: [{ size: 2 ** 30, bytes: 2 ** 34 }],
      cpus: [2, 3],
    };
    const text = (await textFor(host, domain)).replace(
      /^# ((?:display|hugepages|governor|cpus):.*| {2}(?:release|size|count|isolate|irqs): .*)$/gm,
      '$1',
    );
    const { display, hugepages, governor, cpus } = configOf(text);
    assert.deepEqual(
      [display?.release, hugepages, governor, cpus],
      ['auto', { sizeKb: 2 ** 20, count: 'auto' }, 'performance', { isolate: 'auto', irqs: true }],
    );
  });

  it('a variant driver: which one the device gets, and how to get the other', async () => {
    const card = '0000:b1:00.0';
    const { devices } = machineSpec('server-8-gpu');
    const sriov = devices.find(({ address }) => address === card)?.sriov;
    assert.ok(sriov);
    const spec = machineSpec('server-8-gpu', {}, { [card]: { sriov: { ...sriov, numVfs: 1 } } });
    const host = createMachine(spec).host();
    const [vf] = (host.list('/sys/bus/pci/devices') ?? []).filter(
      (name) => host.readLink(`/sys/bus/pci/devices/${name}/physfn`) !== undefined,
    );
    assert.ok(vf !== undefined);
    const domain = guest('a', vf);
    const text = await textFor(host, domain);
    assert.match(
      text,
      /# mlx5_vfio_pci is a vfio driver made for this device\. By libvirt's rule it gets mlx5_vfio_pci; to get the other one:\n {2}- match: "\S+"\n {4}# driver: vfio-pci\n/,
    );
    const { verdicts } = await planWith(host, domain, configOf(takenIn(text)));
    assert.deepEqual(
      verdicts.map((verdict) => (verdict.kind === 'bind' ? verdict.driver : verdict.kind)),
      ['vfio-pci'],
    );
  });

  it('a device that the host uses: for what, and the line that allows it', async () => {
    const host = createMachine(machineSpec('intel-arc')).host();
    const domain = guest('a', '0000:03:00.0');
    const text = await textFor(host, domain);
    assert.match(
      text,
      /\n {2}# The host uses it now, so a start of the guest is refused:\n {2}# {3}boot-vga: the firmware chose it [^\n]+\n[^]*\n {4}# allow: \[boot-vga[\w, -]*\]\n/,
    );
    const kinds = async (config: Config): Promise<string[]> =>
      (await planWith(host, domain, config)).verdicts.map(({ kind }) => kind);
    assert.deepEqual(await kinds(configOf(text)), ['refuse']);
    assert.deepEqual(await kinds(configOf(takenIn(text))), ['bind']);
  });

  it('the disk that the host runs from: that it is, and no line that would allow it', async () => {
    const host = createMachine(machineSpec('nvme-host')).host();
    const text = await textFor(host, guest('a', '0000:01:00.0'));
    assert.match(
      text,
      /\n {2}# The host runs from it: \/ is on nvme0n1p2: a start of the guest is refused\.\n {2}- match/,
    );
    assert.doesNotMatch(text, /allow|root-disk/);
  });

  it('a name cannot end the comment that it stands in', async () => {
    const host = createMachine(machineSpec('amd-rdna3-desktop')).host();
    for (const name of ['a\nlog: {level: debug}', 'a\u2028log: x', 'a\u0085b: c', '"\r\n- x']) {
      const text = await textFor(host, { ...guest('a', '0000:03:00.0'), name });
      assert.deepEqual(configOf(text), configOf(await textFor(host, guest('a', '0000:03:00.0'))));
    }
  });
});
