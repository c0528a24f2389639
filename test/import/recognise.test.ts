import assert from 'node:assert/strict';
import { imported, script } from './scripts.ts';

/** One command as the guest begins: the keys that do the same, `itself`, or `stays`, with every key taken. */
function comesTo(line: string, moment: readonly [string, string] = ['prepare', 'begin']): string {
  const { scripts } = imported([script(line, moment)], { takes: () => true });
  return scripts
    .flatMap(({ lines }) => lines.flatMap(({ verdicts }) => verdicts))
    .map((verdict) => (verdict.kind === 'key' ? verdict.wish.key : verdict.kind))
    .join(' ');
}

const begin: Readonly<Record<string, string>> = {
  'systemctl stop display-manager': 'display',
  'systemctl stop sddm.service': 'display',
  'systemctl isolate multi-user.target': 'display',
  'service lightdm stop': 'display',
  'killall gdm-x-session': 'display',
  'pkill -u me Xorg': 'display',
  'echo 0 > /sys/class/vtconsole/vtcon1/bind': 'display',
  'echo "efi-framebuffer.0" > "/sys/bus/platform/drivers/efi-framebuffer/unbind"': 'display',
  'systemctl stop ollama jellyfin.service': 'services services',
  'systemctl stop gdm ollama': 'display services',
  'systemctl start looking-glass.service': 'services',
  'systemctl --user -M me@ stop pipewire.socket': 'stays',
  'systemctl restart smbd': 'stays',
  'systemctl stop irqbalance': 'services',
  'irqbalance --banirq=5': 'stays',
  'sleep 10': 'itself',
  'modprobe -r nvidia_drm nvidia_modeset nvidia_uvm nvidia': 'itself',
  'modprobe -r amdgpu': 'itself',
  'modprobe -i vfio_pci vfio_pci_core vfio_iommu_type1': 'itself',
  'modprobe -r vfio-pci': 'itself',
  'rmmod nvidia_uvm': 'itself',
  'modprobe kvmfr static_size_mb=128': 'stays',
  'modprobe kvmfr': 'modules',
  'modprobe -r kvm_amd': 'stays',
  'virsh nodedev-detach pci_0000_03_00_0': 'itself',
  '/usr/bin/virsh nodedev-reattach pci_0000_03_00_0': 'itself',
  'virsh attach-device win11 usb.xml': 'stays',
  'echo 0000:03:00.0 > /sys/bus/pci/devices/0000:03:00.0/driver/unbind': 'itself',
  'echo "1002 744c" > /sys/bus/pci/drivers/vfio-pci/new_id': 'itself',
  'echo vfio-pci | sudo tee /sys/bus/pci/devices/0000:03:00.0/driver_override': 'itself',
  'echo 0000:03:00.0 > /sys/bus/pci/drivers_probe': 'itself',
  'echo 3 > /sys/bus/pci/devices/0000:03:00.0/resource2_resize': 'bars',
  'echo $N > /sys/bus/pci/devices/0000:03:00.0/resource2_resize': 'stays',
  'echo 3 > /sys/bus/pci/devices/$GPU/resource2_resize': 'stays',
  'echo 1 > /sys/bus/pci/devices/0000:03:00.0/reset': 'between',
  'echo 1 > /sys/bus/pci/devices/0000:03:00.0/remove': 'stays',
  'echo 1 > /sys/bus/pci/rescan': 'stays',
  'setpci -s 03:00.0 COMMAND=0': 'stays',
  'cpupower frequency-set -g performance': 'governor',
  'cpupower frequency-set --governor "$MODE"': 'stays',
  'for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance > $f; done':
    'governor',
  'echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor > /dev/null': 'governor',
  'tee /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor <<< performance': 'governor',
  'echo 4096 > /proc/sys/vm/nr_hugepages': 'hugepages',
  'sysctl -w vm.nr_hugepages=4096': 'hugepages',
  'sysctl vm.swappiness=1': 'stays',
  'echo 8 > /sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages': 'hugepages',
  'echo 3 > /proc/sys/vm/drop_caches': 'itself',
  'echo 1 > /proc/sys/vm/compact_memory': 'itself',
  'systemctl set-property --runtime -- user.slice AllowedCPUs=0,8': 'cpus',
  'cset shield --cpu 2-7 --kthread=on': 'cpus',
  'vfio-isolate cpuset-create --cpus C0-1 /host.slice': 'cpus',
  'ddcutil setvcp 60 0x0f': 'stays',
  'notify-send "the guest starts"': 'stays',
  'qm set 100 -x': 'stays',
  'rm -rf /var/lib/something': 'stays',
  'eval "$COMMAND"': 'stays',
  '$COMMAND now': 'stays',
  'timeout 5 systemctl stop ollama': 'services',
  'nohup sudo -n systemctl stop ollama &': 'services',
  'echo "moving the card"': 'frame',
  'echo started >> /var/log/hook.log': 'frame',
  'echo secret > /etc/passwd': 'stays',
};

const end: Readonly<Record<string, string>> = {
  'systemctl start display-manager': 'display',
  'echo 1 > /sys/class/vtconsole/vtcon0/bind': 'display',
  'systemctl start ollama': 'stays',
  'modprobe nvidia_drm': 'itself',
  'virsh nodedev-reattach pci_0000_03_00_0': 'itself',
  'echo 0 > /proc/sys/vm/nr_hugepages': 'itself',
  'cpupower frequency-set -g ondemand': 'itself',
  'echo 8 > /sys/bus/pci/devices/0000:03:00.0/resource2_resize': 'itself',
  'echo 1 > /sys/bus/pci/devices/0000:03:00.0/reset': 'itself',
  'nvidia-xconfig --query-gpu-info > /dev/null 2>&1': 'itself',
};

describe('a command of a script', () => {
  for (const [line, expected] of Object.entries(begin)) {
    it(`as the guest begins: ${line}`, () => {
      assert.equal(comesTo(line), expected);
    });
  }
  for (const [line, expected] of Object.entries(end)) {
    it(`as the guest ends: ${line}`, () => {
      assert.equal(comesTo(line, ['release', 'end']), expected);
    });
  }

  it('of a device that the XML does not assign stays', () => {
    const at = (assigned: string): string =>
      imported([script('virsh nodedev-detach pci_0000_03_00_0')], { assigned: new Set([assigned]) })
        .scripts[0]!.lines[0]!.verdicts[0]!.kind;
    assert.deepEqual([at('0000:03:00.0'), at('0000:04:00.0')], ['itself', 'stays']);
  });

  it('stays when the configuration does not take what it asks for', () => {
    const { scripts, wishes } = imported([script('systemctl stop libvirtd')]);
    assert.equal(scripts[0]?.lines[0]?.verdicts[0]?.kind, 'stays');
    assert.deepEqual(wishes, []);
  });
});
