import type { Claim, ClaimOwner } from '../claim/claim.ts';
import type { Config } from '../config/config.ts';
import { ruleFor } from '../config/rules.ts';
import type { PciHostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { takeSnapshot } from '../host/take-snapshot.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { plan, refusals, type Plan } from '../plan/plan.ts';
import { allowance } from '../plan/use.ts';
import { quoteName } from '../text.ts';

/** What a plan is made for. */
export interface PlanRequest {
  readonly host: Host;
  readonly guest: ClaimOwner;
  readonly hostdevs: readonly PciHostdev[];
  /** The groups of the hostdevs. */
  readonly groups: readonly number[];
  readonly config: Config;
  readonly claims: readonly Claim[];
}

/** A plan and what it was made from. */
export interface PlannedStart {
  readonly plan: Plan;
  readonly snapshot: Snapshot;
}

/**
 * Looks at the host and decides. The hook and the dry run both come through here, so that one cannot differ
 * from the other. Changes nothing.
 */
export async function makePlan(request: PlanRequest): Promise<PlannedStart> {
  const { host, guest, hostdevs, groups, config, claims } = request;
  const snapshot = await takeSnapshot(host, groups, { deadlineMs: config.timeouts.kernelWrite });
  return {
    snapshot,
    plan: plan({ guest, hostdevs, snapshot, claims, wishesFor: (device) => ruleFor(config, device) }),
  };
}

/** The error that a refused plan comes to: the first reason in its message, the others as hints. */
export function refusalError(planned: Plan): VfioHookError | undefined {
  const [first, ...others] = refusals(planned);
  if (!first) return undefined;
  const what = first.assigned
    ? first.device
    : `${first.device}, which shares the IOMMU group of an assigned device,`;
  const further = [
    ...(first.uses ?? []).slice(1).map(({ device, detail }) => `also ${device}: ${detail}`),
    ...others.flatMap(({ device, reason, uses }) =>
      (uses?.map(({ detail }) => detail) ?? [reason]).map((each) => `also ${device}: ${each}`),
    ),
  ];
  const allow = allowance(planned);
  return new VfioHookError(
    first.code === 'in-use' || first.code === 'claimed' ? 'VH_BUSY' : 'VH_REFUSED',
    `cannot give ${what} to guest ${quoteName(planned.guest.name)}: ${first.reason}`,
    { device: first.device, hints: [...first.hints, ...further, ...(allow === undefined ? [] : [allow])] },
  );
}
