import { runPerl } from './system.ts';

/** Takes what logger(1) sends and forgets it: Node has no datagram sockets. */
const LISTEN = `
socket(my $log, PF_UNIX, SOCK_DGRAM, 0) or die;
bind($log, sockaddr_un($ARGV[0])) or die;
$| = 1;
print 'ready';
my $both = '';
vec($both, fileno($_), 1) = 1 for ($log, STDIN);
while (1) {
  select(my $ready = $both, undef, undef, undef);
  last if vec($ready, fileno(STDIN), 1);
  recv($log, my $line, 65536, 0);
}
`;

/** Stands in for the journal: a socket of datagrams at this path, as /dev/log is one. */
export async function startJournal(path: string): Promise<void> {
  await runPerl(LISTEN, path);
}
