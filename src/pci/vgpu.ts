/** A vGPU type as NVIDIA's driver lists it. */
export interface VgpuType {
  readonly id: number;
  /** Such as `NVIDIA L40S-8Q`. */
  readonly name: string;
}

/** More types than any card has. */
const MOST = 256;

/**
 * The types in `creatable_vgpu_types`: a header, then `1152  : NVIDIA L40S-8Q` for each. What is no such line is passed
 * over, so that a driver which says more is understood all the same.
 */
export function parseVgpuTypes(text: string): readonly VgpuType[] {
  return text
    .split('\n')
    .flatMap((line) => {
      const [, id, name] = /^\s*(\d{1,9})\s*:\s*(\S.*?)\s*$/.exec(line) ?? [];
      return id === undefined || name === undefined ? [] : [{ id: Number(id), name }];
    })
    .slice(0, MOST);
}

/** The name of a type, as people may write it: no number, so that neither is taken for the other. */
export const VGPU_NAME = /^(?=.*[A-Za-z])[\w.()+-][\w .()+-]{0,79}$/;

export function isVgpuName(text: string): boolean {
  return VGPU_NAME.test(text);
}

/** Parameters of a vGPU as the driver takes them: `frame_rate_limiter=0,disable_vnc=1`. */
export const VGPU_PARAMS = /^[\w.-]{1,64}=[\w.:+-]{1,64}(?:,[\w.-]{1,64}=[\w.:+-]{1,64}){0,31}$/;

/** Whether they are such, and no longer than a claim keeps them. */
export function isVgpuParams(text: string): boolean {
  return text.length <= 512 && VGPU_PARAMS.test(text);
}

/** Whether a type has this name. People leave `NVIDIA` or `GRID` away, as the vendor's own tables do. */
export function isCalled({ name }: VgpuType, asked: string): boolean {
  const plain = (text: string): string =>
    text
      .trim()
      .toLowerCase()
      .replace(/^(?:nvidia|grid) +/, '');
  return plain(name) === plain(asked);
}

/** A type in a sentence: `type 1152 (NVIDIA L40S-8Q)`, by its number alone where its name is not known; 0: `no vGPU`. */
export function vgpuWords(id: number, known: readonly VgpuType[] = []): string {
  if (id === 0) return 'no vGPU';
  const name = known.find((each) => each.id === id)?.name;
  return name === undefined ? `type ${id}` : `type ${id} (${name})`;
}
