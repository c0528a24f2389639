import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences that may be bundled with this MIT-licensed program. */
const accepted = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD', 'Python-2.0']);

/** A package whose code is in the bundles. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** As SPDX calls it. */
  readonly license: string;
  /** Where it is installed. */
  readonly folder: string;
}

/**
 * The packages whose code went into the bundles, by folder. `inputs` are the files that did, as esbuild names them. Throws for
 * a licence that nobody has looked at yet and for a package without one.
 */
export function bundledPackages(inputs: readonly string[]): readonly BundledPackage[] {
  const folders = new Set(inputs.flatMap((input) => packageFolder(input) ?? []));
  return [...folders].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
    };
    if (license === undefined || !accepted.has(license)) {
      throw new Error(
        `${name} ${version} has the licence ${license ?? 'of nobody'}: see scripts/licences.ts`,
      );
    }
    return { name, version, license, folder };
  });
}

/** The text that must accompany the bundles: each package whose code is in them, with its licence. */
export function thirdPartyLicences(packages: readonly BundledPackage[]): string {
  const parts = packages.map(
    ({ name, version, license, folder }) => `${name} ${version} (${license})\n\n${licenceText(folder)}`,
  );
  return `vfio-hook contains code of these packages:\n\n${parts.join(`\n${'-'.repeat(78)}\n\n`)}`;
}

/** `node_modules/@scope/name` of a file, the innermost one. */
function packageFolder(input: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
}

function licenceText(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const path = file === undefined ? undefined : join(folder, file);
  return path !== undefined && existsSync(path)
    ? readFileSync(path, 'utf8').trim() + '\n'
    : '(no text in the package)\n';
}
