import { readFileSync } from 'node:fs';
import type { BundledPackage } from './licences.ts';

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
}

/**
 * What is in the bundles as a CycloneDX document (https://cyclonedx.org/docs/1.6/json/): name, version, licence, and the checksum of the
 * package that npm has checked (package-lock.json). It has no serial number and no date, so that two builds are the same. `npm sbom` lists
 * what a project depends on, which is next to nothing here: all is bundled.
 */
export function billOfMaterials(version: string, packages: readonly BundledPackage[]): string {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as LockFile;
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': `pkg:npm/vfio-hook@${version}`,
        name: 'vfio-hook',
        version,
        licenses: [{ license: { id: 'MIT' } }],
        purl: `pkg:npm/vfio-hook@${version}`,
      },
    },
    components: packages.map(({ name, version: itsVersion, license, folder }) => {
      const purl = `pkg:npm/${name.replace(/^@/, '%40')}@${itsVersion}`;
      const integrity = lock.packages[folder.slice(folder.indexOf('node_modules/'))]?.integrity;
      if (integrity === undefined) throw new Error(`package-lock.json has no checksum of ${folder}`);
      const [algorithm = '', digest = ''] = integrity.split(/-(.*)/);
      return {
        type: 'library',
        'bom-ref': purl,
        name,
        version: itsVersion,
        hashes: [
          {
            alg: algorithm.replace(/^sha/, 'SHA-'),
            content: Buffer.from(digest, 'base64').toString('hex'),
          },
        ],
        licenses: [{ license: { id: license } }],
        purl,
      };
    }),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
