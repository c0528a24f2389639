import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { escapeControl } from '../text.ts';

/** What a network card keeps for one virtual function, in the words of ip(8); what its driver does not tell is absent. */
export interface FunctionSettings {
  readonly mac?: string;
  /** `42`, `42 qos 3`; `0` for none. */
  readonly vlan?: string;
  readonly spoofchk?: string;
  readonly trust?: string;
  readonly state?: string;
  readonly max_tx_rate?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The arguments that make ip(8) tell about an interface. */
function showArguments(link: string): readonly string[] {
  return ['-json', '-details', 'link', 'show', 'dev', link];
}

/**
 * What the card with this interface keeps for its virtual functions, in their order (iproute2: ip/ipaddress.c:print_vfinfo).
 * Throws VH_KERNEL when ip(8) does not tell, VH_STUCK when it does not answer in time, VH_INSTALLATION without the program.
 */
export async function readFunctionSettings(
  host: Host,
  link: string,
  deadlineMs: number,
): Promise<readonly FunctionSettings[]> {
  const list = (await readLink(host, link, deadlineMs))['vfinfo_list'];
  return Array.isArray(list) ? (list as Json[]).map(settingsOf) : [];
}

/** The address of an interface itself. Throws as {@link readFunctionSettings}. */
export async function readLinkAddress(
  host: Host,
  link: string,
  deadlineMs: number,
): Promise<string | undefined> {
  return word((await readLink(host, link, deadlineMs))['address']);
}

async function readLink(host: Host, link: string, deadlineMs: number): Promise<Json> {
  const args = showArguments(link);
  const line = `ip ${args.join(' ')}`;
  const result = await host.run('ip', args, deadlineMs);
  if (result.kind === 'stuck') {
    throw new VfioHookError('VH_STUCK', `${line} does not end: a driver is stuck with the card`, {
      hints: [advice('see what it waits for: dmesg | tail')],
    });
  }
  const told = result.status === 0 ? parsed(result.stdout) : undefined;
  if (told) return told;
  const [said = ''] = result.stderr.trim().split('\n');
  throw new VfioHookError('VH_KERNEL', `${line} does not tell: ${escapeControl(said) || 'nothing'}`, {
    hints: [advice('it needs ip of iproute2: the one of busybox has no -json')],
  });
}

function parsed(text: string): Json | undefined {
  try {
    const list: unknown = JSON.parse(text);
    const [first] = Array.isArray(list) ? (list as unknown[]) : [];
    return typeof first === 'object' && first !== null ? (first as Json) : undefined;
  } catch {
    return undefined;
  }
}

function settingsOf(json: Json): FunctionSettings {
  const rate = json['rate'];
  const maxTx = typeof rate === 'object' && rate !== null ? (rate as Json)['max_tx'] : json['tx_rate'];
  const [first] = Array.isArray(json['vlan_list']) ? (json['vlan_list'] as Json[]) : [json];
  const told: Record<keyof FunctionSettings, string | undefined> = {
    // iproute2 before 5.2 calls it mac.
    mac: word(json['address']) ?? word(json['mac']),
    vlan: tag(first ?? {}),
    spoofchk: flag(json['spoofchk']),
    trust: flag(json['trust']),
    state: word(json['link_state']),
    max_tx_rate: number(maxTx),
  };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
}

/** Of several tags, which a card for 802.1ad has, the first. */
function tag({ vlan, qos }: Json): string {
  const priority = typeof qos === 'number' && qos > 0 ? ` qos ${qos}` : '';
  return `${typeof vlan === 'number' ? vlan : 0}${priority}`;
}

function word(value: unknown): string | undefined {
  return typeof value === 'string' ? value.toLowerCase() : undefined;
}

function flag(value: unknown): string | undefined {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : undefined;
}

function number(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : undefined;
}
