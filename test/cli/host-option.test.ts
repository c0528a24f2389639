import assert from 'node:assert/strict';
import { commands } from '../../src/cli/commands/index.ts';
import { hostOption } from '../../src/cli/command.ts';
import { example } from '../hook/compiled.ts';
import { stage } from '../hook/stage.ts';
import { domain, host, run } from './run.ts';

const calls: Readonly<Record<string, readonly string[]>> = {
  groups: ['groups', '--json'],
  map: ['map', '--format', 'svg'],
  sriov: ['sriov', '--json'],
  mdev: ['mdev', '--json'],
  vgpu: ['vgpu', '--json'],
  plan: ['plan', domain('windows-11-rx7900xtx'), '--json'],
  lint: ['lint', domain('windows-11-rx7900xtx'), '--json'],
};

/** Where a command has more to say on another machine. */
const MACHINES: Readonly<Record<string, string>> = {
  sriov: 'sriov-nic',
  mdev: 'nvidia-vgpu-mdev',
  vgpu: 'nvidia-vgpu-server',
};

describe('vfio-hook lint --host', () => {
  const assigned = example('domains/windows-11-rx7900xtx.xml');
  const withRom = assigned.replace(
    /(<hostdev[^]*?)<\/hostdev>/,
    "$1<rom file='/nonexistent/card.rom'/></hostdev>",
  );
  const withIommufd = assigned.replaceAll('</hostdev>', "<driver iommufd='yes'/></hostdev>");

  /** The lines of `lint` about one subject, of a described machine or of a simulated one. */
  function linesAbout(title: string, input: string, where: readonly string[]): readonly string[] {
    const { stdout } = run(['lint', '-', ...where], { input });
    return stdout.split('\n').filter((line) => line.slice(9).startsWith(title));
  }
  const described = ['--host', host('amd-rdna3-desktop')];

  it('says that files of that machine cannot be seen, and does not take those of this one', () => {
    assert.deepEqual(linesAbout('ROM of graphics cards', withRom, described), [
      'unknown  ROM of graphics cards, 0000:03:00.0: whether its ROM file /nonexistent/card.rom is there cannot be told: files of that machine cannot be seen from here',
    ]);
    assert.deepEqual(linesAbout('iommufd', withIommufd, described), [
      'unknown  iommufd: whether that machine has /dev/iommu cannot be seen from here',
    ]);
  });

  it('a machine itself knows whether they are there', () => {
    const without = stage('amd-rdna3-desktop').option;
    assert.match(
      linesAbout('ROM of graphics cards', withRom, without).join('\n'),
      /^failure .*: its ROM file \/nonexistent\/card\.rom is not there: QEMU refuses to start$/,
    );
    assert.match(
      linesAbout('iommufd', withIommufd, without).join('\n'),
      /^failure .*and this kernel has no \/dev\/iommu$/,
    );
    const having = stage('amd-rdna3-desktop', (spec) => ({
      ...spec,
      files: { ...spec.files, '/nonexistent/card.rom': '', '/dev/iommu': '' },
    })).option;
    assert.deepEqual(linesAbout('iommufd', withIommufd, having), ['ok       iommufd: asked for, and there']);
    assert.doesNotMatch(linesAbout('ROM of graphics cards', withRom, having).join('\n'), /card\.rom/);
  });
});

describe('--host FILE', () => {
  it('is an option of these commands', () => {
    assert.deepEqual(
      commands.filter(({ options }) => options.includes(hostOption)).map(({ name }) => name),
      Object.keys(calls),
    );
  });

  for (const [name, args] of Object.entries(calls)) {
    it(`${name} says of a described machine what it says on it`, () => {
      const title = MACHINES[name] ?? 'amd-rdna3-desktop';
      const on = stage(title);
      const described = run([...args, '--host', host(title)]);
      const onIt = run([...args, ...on.option]);
      // The configuration of a described machine lies where it lies on any machine, that of a simulated one in
      // its directory.
      assert.doesNotMatch(described.stdout, new RegExp(on.directory));
      assert.deepEqual(
        named(described.stdout),
        named(onIt.stdout.replaceAll(`${on.directory}/etc`, '/etc/vfio-hook')),
      );
      assert.equal(described.stderr, '');
      assert.ok(described.stdout.length > 100);
    });
  }
});

/** Without what comes from the pci.ids of the machine that the tests run on. */
function named(text: string): string {
  return text.replace(/"(?:\w+Name)": "[^"]*",?\s*/g, '').replace(/>[^<]*</g, '><');
}
