import { ownerPhrase } from '../claim/owner.ts';
import { advice, command } from '../hint.ts';
import { isDisplay } from '../pci/class.ts';
import { leave, refuse, type Case, type Judgement } from './judgement.ts';

/** A card of which mediated devices were made; undefined for every other one. */
export function judgeParent(current: Case): Judgement | undefined {
  const slices = current.mdevs ?? [];
  const slice = slices.find(({ claim }) => claim) ?? slices[0];
  if (!slice) return undefined;
  // Its driver would take them along, and wait for whoever has one open (drivers/vfio/mdev/mdev_core.c:mdev_unregister_parent).
  const { uuid, claim } = slice;
  const made = `mediated device ${uuid} was made of it`;
  return claim
    ? refuse(current, 'claimed', `${made}, which ${ownerPhrase(claim.owner)} has`, [
        advice('shut that one down first; if it is not running, vfio-hook recover gives back what it had'),
      ])
    : refuse(current, 'mediated-devices', made, [
        advice(`once nobody uses it, remove it: echo 1 > /sys/bus/mdev/devices/${uuid}/remove`),
      ]);
}

/**
 * A virtual function of NVIDIA's own VFIO framework: its driver is a VFIO driver, and forgets the function for good when
 * it is taken off, until the card makes all of them again. So it is never bound to another one, by nobody.
 */
export function judgeVgpu(current: Case): Judgement | undefined {
  const { device, hostdev } = current;
  if (device.vgpuType === undefined) return judgeLostFunction(current);
  const driver = device.driver ?? 'its driver';
  if (hostdev?.managed === true) {
    return refuse(
      current,
      'vgpu',
      `its XML says managed='yes': libvirt would take it from ${driver}, which breaks its vGPU until the card makes all its virtual functions again`,
      [advice(`write managed='no' into the <hostdev> of ${device.address}`)],
    );
  }
  if (device.vgpuType > 0) {
    return leave(current, 'vgpu', `vGPU type ${device.vgpuType} lives on it, so it stays with ${driver}`);
  }
  if (!hostdev) return leave(current, 'vgpu', `it has no vGPU, and stays with ${driver}`);
  return refuse(
    current,
    'vgpu',
    `there is no vGPU on it, and no configuration says which: it stays with ${driver}, and would be nothing for a guest`,
    [
      current.for === 'guest'
        ? advice(`name its type in the configuration: vgpu: [{ vf: "${device.address}", type: … }]`)
        : advice('name its type: --vgpu TYPE'),
      command('vfio-hook vgpu'),
    ],
  );
}

/** No other driver than NVIDIA's can do anything with a virtual function of its cards: vfio-pci's answer is EINVAL. */
function judgeLostFunction(current: Case): Judgement | undefined {
  const { device, hostdev } = current;
  const { vendor, physicalFunction, driver } = device;
  if (vendor !== NVIDIA || physicalFunction === undefined || !isDisplay(device.class)) return undefined;
  if (!hostdev) return leave(current, 'vgpu', 'only its own driver can hand it to a guest');
  const again = `/usr/lib/nvidia/sriov-manage -d ${physicalFunction} && /usr/lib/nvidia/sriov-manage -e ${physicalFunction}`;
  return driver === 'nvidia'
    ? refuse(
        current,
        'vgpu',
        'this driver gives no virtual function to a guest, but mediated devices on it',
        [advice("assign a mediated device of it: <hostdev type='mdev'>")],
      )
    : refuse(
        current,
        'vgpu',
        `it is on ${driver ?? 'no driver'}, and only NVIDIA's own can hand a virtual function of its cards to a guest`,
        [advice('let its card make all of them again, once no guest has one'), command(again)],
      );
}

const NVIDIA = '10de';
