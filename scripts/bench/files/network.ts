import { run, runPerl } from './system.ts';

/** An interface that the host of plain files has in a network of its own, and connections through it. */
export interface NetworkSetting {
  readonly interface: string;
  /** Entries in the table of TCP connections. */
  readonly connections: number;
}

const HERE = '10.8.0.1';
const PEER = '10.8.0.2';

/** Connections of one process: both ends are its own, and it may have 1024 files open. */
const EACH = 400;

/**
 * Both ends are on this host, under addresses of the interface: by the table of routes, which is what the hook asks,
 * each leads through it. A process of perl for every so many of them, each with a port of its own.
 */
const CONNECT = `
my ($here, $peer, $pairs, $each) = @ARGV;
sub make {
  my ($port, $count) = @_;
  socket(my $server, PF_INET, SOCK_STREAM, 0) or die $!;
  bind($server, sockaddr_in($port, inet_aton($peer))) or die $!;
  listen($server, 16) or die $!;
  for (1 .. $count) {
    socket(my $client, PF_INET, SOCK_STREAM, 0) or die $!;
    bind($client, sockaddr_in(0, inet_aton($here))) or die $!;
    connect($client, sockaddr_in($port, inet_aton($peer))) or die $!;
    accept(my $accepted, $server) or die $!;
    push @open, $client, $accepted;
  }
}
pipe(my $done, my $say) or die $!;
for (my $made = 0; $made < $pairs; $made += $each) {
  my $pid = fork();
  if (!$pid) {
    make(2000 + $made / $each, $pairs - $made < $each ? $pairs - $made : $each);
    syswrite($say, '.');
    sleep() while 1;
  }
  push @children, $pid;
}
close($say);
sysread($done, my $one, 1) or die for @children;
$| = 1;
print 'ready';
<STDIN>;
kill('KILL', @children);
`;

/** Makes the interface and the connections. */
export async function startNetwork({ interface: name, connections }: NetworkSetting): Promise<void> {
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'bench-far-end');
  for (const address of [HERE, PEER]) run('ip', 'address', 'add', `${address}/16`, 'dev', name);
  for (const each of [name, 'bench-far-end']) run('ip', 'link', 'set', each, 'up');
  run('sysctl', '-q', '-w', 'net.ipv4.ip_local_port_range=10000 65000');
  if (connections > 0) await runPerl(CONNECT, HERE, PEER, String(connections / 2), String(EACH));
}
