import { ownerPhrase } from '../claim/owner.ts';
import { plural } from '../count.ts';
import { waitingWrites } from '../engine/blocked.ts';
import { daemonsOf, reasonToLeave } from '../engine/recover.ts';
import { quoteName, shownPath } from '../text.ts';
import type { Check } from './examination.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';
import { command } from '../hint.ts';
import { word } from './files.ts';

/** Every claim has its owner, and nothing is left over from a release. */
export const staleClaims: Check = {
  title: 'claims',
  run: ({ engine }) => {
    const { claims, outdated } = engine.store.all();
    const daemons = daemonsOf(engine.host);
    const findings = claims.flatMap((claim): Found[] => {
      const { owner } = claim;
      const name = owner.kind === 'guest' ? quoteName(owner.name) : ownerPhrase(owner);
      const left = reasonToLeave(engine, claim, daemons);
      // Said once, by the check of such writes; until they return there is no more to do.
      if (waitingWrites(engine.host, claim).length > 0) return [];
      if (claim.state === 'incomplete' || claim.state === 'stuck') {
        const what =
          claim.state === 'stuck'
            ? 'a kernel write that was waited for has returned since'
            : claim.leftovers.join('; ');
        return [about(name, failure(`not everything is back: ${what}`, command('vfio-hook recover')))];
      }
      if (left !== undefined) return [];
      return [
        about(
          name,
          warning(
            `its ${owner.kind === 'guest' ? 'guest' : 'run'} is gone, and its devices were never given back (${claim.state} since ${claim.claimedAt})`,
            command('vfio-hook recover'),
          ),
        ),
      ];
    });
    if (findings.length > 0) return findings;
    const earlier =
      outdated.length > 0
        ? `, ${outdated.length} of an earlier boot ${plural(outdated.length, 'means', 'mean')} nothing any more`
        : '';
    return ok(`${claims.length === 0 ? 'no guest holds a device' : `${claims.length} held`}${earlier}`);
  },
};

/** Every claim can be read: one that cannot refuses the start of every guest with host devices. */
export const damagedClaims: Check = {
  title: 'damaged claims',
  run: ({ engine }) => {
    const { damaged } = engine.store.all();
    if (damaged.length === 0) return ok('none');
    return damaged.map(({ path, reason }) =>
      about(
        shownPath(path),
        failure(
          `it cannot be trusted (${reason}), so no guest with host devices starts`,
          command(`cat ${word(path)}`),
          command('vfio-hook status'),
          command(`mv ${word(path)} /root/`),
        ),
      ),
    );
  },
};
