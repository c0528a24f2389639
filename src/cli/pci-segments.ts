const MIB = 2 ** 20;

/** Bytes below 4 GiB that Cloud Hypervisor has for the BARs of all segments together (MEM_32BIT_DEVICES_SIZE of its arch/src/x86_64/layout.rs). */
export const WINDOW = 640 * MIB;

/** Slots of a segment that are left to assigned devices: of 32, one is the bus itself, some are for disks and networks. */
export const SLOTS = 24;

/** How devices are spread over the PCI segments of a guest of Cloud Hypervisor. */
export interface SegmentPlan {
  /** Segment of each device, by its index. */
  readonly segmentOf: readonly number[];
  /** Weight of each segment's share of {@link WINDOW}; the whole window is one segment's when there is one. */
  readonly weights: readonly number[];
  readonly warnings: readonly string[];
}

/**
 * Spreads devices over as few segments as have slots for them, `needs` being the bytes of each device's 32-bit
 * BARs. By default segments share the window equally, which starves the one whose devices need more; with
 * weights that are the needs in MiB, each gets at least what it needs as long as all fit at all.
 */
export function segmentsFor(needs: readonly number[]): SegmentPlan {
  const segmentOf = needs.map((_, index) => Math.floor(index / SLOTS));
  const count = Math.max(1, ...segmentOf.map((segment) => segment + 1));
  const weights = Array.from({ length: count }, (_, segment) => {
    const bytes = needs.reduce((sum, need, index) => (segmentOf[index] === segment ? sum + need : sum), 0);
    // The guest's own devices are on segment 0.
    return Math.ceil(bytes / MIB) + (segment === 0 ? OWN_DEVICES : 1);
  });
  const total = needs.reduce((sum, need) => sum + need, 0);
  const tooMuch = total + OWN_DEVICES * MIB > WINDOW;
  return {
    segmentOf,
    weights,
    warnings: tooMuch
      ? [
          `the 32-bit BARs of these devices need ${Math.ceil(total / MIB)} MiB, and Cloud Hypervisor has ${WINDOW / MIB} MiB for all: some will not be mapped`,
        ]
      : [],
  };
}

/** MiB for virtual disks, networks and the like. */
const OWN_DEVICES = 16;
