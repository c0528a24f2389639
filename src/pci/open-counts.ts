/*
 * The kernel keeps a module that is in use from being unloaded, and for some drivers that says whether any process has
 * one of their device nodes open: /sys/module/MODULE/refcnt. It counts the open file and not its descriptor, so also one
 * that is mapped, on its way through a socket, or left of a device that is gone.
 */

/**
 * What the frame buffer and the nodes of DRM are called. An open of the latter takes the module of the driver's own
 * operations (drivers/gpu/drm/drm_drv.c:drm_stub_open, fops_get); one of the former that of the operations (drivers/video/
 * fbdev/core: fb_open), which is the driver's own (radeonfb_ops, intelfb_ops) or, where DRM's helpers serve it, theirs, and
 * theirs take the driver's in turn for everybody but the console (drm_fbdev_ttm_fb_open, drm_fbdev_generic_fb_open).
 */
const DISPLAY = /^(?:dri\/(?:card|renderD|controlD)\d|fb\d)/;

/**
 * Modules with the names, below /dev, of those nodes of their devices that count while they are open. Read in the source of
 * kernels between 5.15 and 7.2, not of each of them; measured where test/contract has a row. Not here, since an open counts for another module or for none:
 *
 * - nvidia: its DRM nodes count for nvidia_drm, others for nvidia_uvm and nvidia_modeset, which pin nvidia itself.
 * - Video capture: one card's nodes are of several modules (saa7134 and its _alsa and _empress).
 * - Compressed sound streams: for snd_compress (sound/core/compress_offload.c).
 */
const COUNTED: Readonly<Record<string, RegExp>> = {
  // amdgpu_driver_kms_fops; before 5.17 amdgpufb_ops.
  amdgpu: DISPLAY,
  // bochs_fops (drivers/gpu/drm/tiny/bochs.c): what the tests in emulated machines have.
  bochs: DISPLAY,
  // i915_driver_fops. The sound of the same chip pins the module, so that there is seldom something to gain.
  i915: DISPLAY,
  // nouveau_driver_fops; before 6.7 nouveau_fbcon_ops.
  nouveau: DISPLAY,
  // radeon_driver_kms_fops.
  radeon: DISPLAY,
  // xe_driver_fops.
  xe: DISPLAY,
  // Each open takes card->module (sound/core/control.c:snd_ctl_open, pcm_native.c:snd_pcm_open, hwdep.c:snd_hwdep_open), which
  // is the driver's own (azx_probe, THIS_MODULE).
  snd_hda_intel: /^snd\/(?:control|pcm|hw)C\d/,
};

/** Whether an open of this node, by its path, counts as a use of the module while it lasts. */
export function countsOpens(module: string, path: string): boolean {
  const counted = Object.hasOwn(COUNTED, module) ? COUNTED[module] : undefined;
  return counted?.test(path.replace(/^\/dev\//, '')) === true;
}
