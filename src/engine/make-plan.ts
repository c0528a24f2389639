import { advice, type Hint } from '../hint.ts';
import type { Claim, ClaimOwner } from '../claim/claim.ts';
import { logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Config, PlaceRules } from '../config/config.ts';
import { askedDrivers, ruleFor } from '../config/rules.ts';
import type { PciHostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { takeSnapshot } from '../observe/take-snapshot.ts';
import type { Log } from '../log/log.ts';
import type { PciAddress } from '../pci/address.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { plan, refusals, type Plan, type PlanInput } from '../plan/plan.ts';
import type { RefuseVerdict } from '../plan/verdict.ts';
import { refuseBlockedParameter } from './blocked.ts';
import { allowance } from './allowance.ts';
import type { Engine } from './engine.ts';

/** What a plan is made for. */
export interface PlanRequest {
  readonly host: Host;
  readonly owner: ClaimOwner;
  readonly hostdevs: readonly PciHostdev[];
  /** The groups of the hostdevs. */
  readonly groups: readonly number[];
  readonly config: Config;
  readonly claims: readonly Claim[];
  /** As in an engine. */
  readonly findScript?: Engine['findScript'];
  readonly scope?: PlanInput['scope'];
  /** What the host will be like when the plan is carried out, where something else is done before; absent: as it is. */
  readonly expect?: ((snapshot: Snapshot) => Snapshot) | undefined;
}

/** A plan and what it was made from: the host as it is, or as it is expected to be by then. */
export interface PlannedStart {
  readonly plan: Plan;
  readonly snapshot: Snapshot;
  /** Devices that are open now, and are expected not to be once what is done before has ended who has them. */
  readonly awaited: readonly PciAddress[];
}

/**
 * Looks at the host and decides. The hook and the dry run both come through here, so that one cannot differ
 * from the other. Changes nothing. Throws VH_STUCK as `refuseBlockedParameter`.
 */
export async function makePlan(request: PlanRequest): Promise<PlannedStart> {
  const { host, owner, hostdevs, groups, config, claims, findScript, scope = 'groups' } = request;
  const seen = await takeSnapshot(host, groups, {
    deadlineMs: config.timeouts.kernelWrite,
    drivers: [...askedDrivers(config), ...hostdevs.flatMap(({ model }) => model ?? [])],
    ask: hostdevs.map(({ address }) => address),
  });
  const snapshot = request.expect?.(seen) ?? seen;
  const planned = plan({
    owner,
    hostdevs,
    scope,
    snapshot,
    before: seen,
    claims,
    wishesFor: (device) => ruleFor(config, device),
    ...(findScript && owner.kind === 'guest' && { findScript: (name) => findScript(owner.name, name) }),
    allowUnsafeInterrupts: config.allowUnsafeInterrupts,
  });
  if (planned.unsafeInterrupts) refuseBlockedParameter(host);
  return { snapshot, plan: planned, awaited: awaitedDevices(seen, snapshot) };
}

/** Those that somebody who ends has open. */
function awaitedDevices(seen: Snapshot, expected: Snapshot): readonly PciAddress[] {
  const heldIn = ({ uses }: Snapshot): readonly PciAddress[] =>
    uses.filter(({ reason, yields }) => reason === 'held' && yields !== true).map(({ device }) => device);
  const still = heldIn(expected);
  return heldIn(seen).filter((device) => !still.includes(device));
}

/** Writes the verdicts to the log, where they are heard at level `debug` only. */
export function logVerdicts(log: Log, { owner, verdicts }: Plan): void {
  for (const { device, kind, reason } of verdicts) {
    log.write({
      severity: 'debug',
      message: `verdict: ${reason}`,
      ...logOwner(owner),
      device,
      result: kind,
    });
  }
}

/** The error that a refused plan comes to: the first reason in its message, the others as hints; `place` as for `allowance`. */
export function refusalError(planned: Plan, place?: PlaceRules): VfioHookError | undefined {
  const [first, ...others] = refusals(planned);
  return first && refusalOf(planned.owner, first, others, allowance(planned, place));
}

/** The error that one refusal comes to, with others and what would allow it as hints. */
export function refusalOf(
  owner: ClaimOwner,
  first: RefuseVerdict,
  others: readonly RefuseVerdict[] = [],
  allow: readonly Hint[] = [],
): VfioHookError {
  const asked = owner.kind === 'guest' ? 'an assigned device' : 'a device that was asked for';
  const what = first.assigned ? first.device : `${first.device}, which shares the IOMMU group of ${asked},`;
  const further = [
    ...(first.uses ?? []).slice(1).map(({ device, detail }) => advice(`also ${device}: ${detail}`)),
    ...others.flatMap(({ device, reason, uses }) =>
      (uses?.map(({ detail }) => detail) ?? [reason]).map((each) => advice(`also ${device}: ${each}`)),
    ),
  ];
  return new VfioHookError(
    first.code === 'in-use' || first.code === 'claimed' ? 'VH_BUSY' : 'VH_REFUSED',
    owner.kind === 'manual'
      ? `cannot detach ${what.replace(/,$/, '')}: ${first.reason}`
      : `cannot give ${what} to ${ownerPhrase(owner)}: ${first.reason}`,
    { device: first.device, hints: [...first.hints, ...further, ...allow] },
  );
}
