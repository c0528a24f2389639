/** The daemon that keeps cards set up while nobody uses them. */
export const PERSISTENCED = 'nvidia-persistenced.service';

/**
 * Units of systemd that are known to have cards of NVIDIA's driver open as long as they run, or to open them when the driver
 * or its nodes change, each with the reason. nvidia's remove() waits for them without end. Those come first that start
 * others. Not here: what a person works with (ollama, a desktop), what sets the fans of the whole host
 * (coolercontrold, lactd), and what guests with vGPUs or NVSwitch need to start (nvidia-vgpu-mgr, nvidia-fabricmanager).
 */
export const nvidiaUnits: Readonly<Record<string, string>> = {
  'nvidia-cdi-refresh.path':
    'starts the service of that name when /dev/nvidia* or the driver changes (NVIDIA container toolkit)',
  'nvidia-cdi-refresh.service': 'asks every card for the list that container engines read',
  [PERSISTENCED]: 'keeps every card set up, by having it open',
  'nvidia-powerd.service': 'shifts power between processor and card (Dynamic Boost of laptops)',
  'dcgm-exporter.service': 'measures every card for Prometheus, through nv-hostengine',
  'nvidia-dcgm-exporter.service': 'the same, as some packages call it',
  'nvidia-dcgm.service': 'nv-hostengine of the Data Center GPU Manager: watches every card',
  'dcgm.service': 'the same, as older packages call it',
  'nv-hostengine.service': 'the same, where an administrator has made the unit',
  'nvidia_gpu_exporter.service': 'measures every card for Prometheus, by nvidia-smi',
  'nvidia-gpu-exporter.service': 'the same, as some packages call it',
  'prometheus-nvidia-exporter.service': 'the same of another project, through NVML',
  'prometheus-nvidia-gpu-exporter.service': 'the same, as some packages call it',
};
