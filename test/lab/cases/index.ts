import type { LabCase } from '../guest/case.ts';
import { beginDesktop } from '../guest/desktop.ts';
import { must } from '../guest/execute.ts';
import { configureLibvirtd, startLibvirtd } from '../guest/libvirtd.ts';
import { installProduct } from '../guest/product.ts';
import { beginUser } from '../guest/systemd.ts';
import { hostModules } from '../guest/topology.ts';
import type { Order } from '../protocol.ts';
import { appArmorCases, enforceProfile } from './apparmor.ts';
import { commandCases } from './commands.ts';
import { contractCases } from './contract.ts';
import { cpuCases } from './cpus.ts';
import { desktopCases } from './desktop.ts';
import { displayCases } from './display.ts';
import { enduranceCases } from './endurance.ts';
import { hugepageCases } from './hugepages.ts';
import { interruptionCases } from './interruptions.ts';
import { assignmentCases, lifeCycleCases } from './life-cycle.ts';
import { mdevCases } from './mdev.ts';
import { packageCases } from './packages.ts';
import { refusalCases } from './refusals.ts';
import { sequenceCases } from './sequences.ts';
import { scriptCases } from './scripts.ts';
import { serviceCases } from './services.ts';
import { smokeCases } from './smoke.ts';
import { soundCases } from './sound.ts';
import { srIovCases } from './sr-iov.ts';
import { timingCases } from './timings.ts';
import { vgpuCases, vgpuRowCases } from './vgpu.ts';

/** Prepares the machine for a series and gives its cases. host/series.ts has the same names. */
export async function casesOf(order: Order): Promise<readonly LabCase[]> {
  // Without bochs the console stays in text mode.
  const modules = hostModules.filter((name) => name !== 'bochs' || order.series !== 'contract-text-console');
  await must('modprobe', ['--all', ...modules]);
  switch (order.series) {
    case 'devices':
      return smokeCases;
    case 'life-cycle':
      await installAndStart();
      return [
        ...lifeCycleCases,
        ...inTurn(order, [
          ...assignmentCases,
          ...hugepageCases,
          ...interruptionCases,
          ...refusalCases(order),
          ...commandCases,
          ...timingCases,
          ...enduranceCases(order.cycles),
        ]),
      ];
    case 'contract':
      return inTurn(order, await contractCases('normal'));
    case 'contract-no-iommu':
      return contractCases('no-iommu');
    case 'contract-two-bars':
      return contractCases('rebar-pair');
    case 'contract-text-console':
      return contractCases('vga-console');
    case 'differential':
      return sequenceCases();
    case 'slices':
      await installAndStart();
      return [...srIovCases(order), ...mdevCases(order), ...vgpuCases(order), ...inTurn(order, vgpuRowCases)];
    case 'sound':
      await beginDesktop();
      await installAndStart();
      return inTurn(order, soundCases);
    case 'desktop':
      await beginUser();
      await installAndStart();
      return [...desktopCases, ...serviceCases, ...scriptCases, ...cpuCases, ...displayCases(order.cycles)];
    case 'apparmor':
      await enforceProfile();
      await installAndStart();
      return appArmorCases;
    case 'packages':
      configureLibvirtd();
      await startLibvirtd();
      return [...packageCases.slice(0, 1), ...inTurn(order, packageCases.slice(1))];
    default:
      throw new Error(`no series "${order.series}"`);
  }
}

/** Those of a suite, where the suites share these between them. */
function inTurn({ turn }: Order, cases: readonly LabCase[]): readonly LabCase[] {
  return turn === undefined ? cases : cases.filter((_, index) => index % turn.every === turn.first);
}

/** libvirtd looks for hooks when it starts, so the hook comes first. */
async function installAndStart(): Promise<void> {
  await installProduct();
  configureLibvirtd();
  await startLibvirtd();
}
