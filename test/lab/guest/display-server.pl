#!/usr/bin/perl
# What a display manager is to the kernel: it has the first DRM node and a terminal of its own, in graphics mode and shown, and
# takes all of that back when it is told to end. One that is killed leaves the terminal as it is, as a real one does.
use strict;
use warnings;
use POSIX ();
use Socket ();

# include/uapi/linux/kd.h, vt.h
use constant { KDSETMODE => 0x4b3a, KD_TEXT => 0, KD_GRAPHICS => 1, VT_ACTIVATE => 0x5606, VT_WAITACTIVE => 0x5607 };

my $ended = 0;
$SIG{TERM} = sub { $ended = 1; };
# Told to end at any time, it is where it waits that it hears of it.
POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGTERM()));

$| = 1;
my ($node) = sort glob '/dev/dri/card*';
die "there is no card\n" unless defined $node;
open(my $card, '+<', $node) or die "$node: $!\n";
open(my $terminal, '+<', '/dev/tty7') or die "/dev/tty7: $!\n";

sub show {
    my ($number) = @_;
    ioctl($terminal, VT_ACTIVATE, $number) && ioctl($terminal, VT_WAITACTIVE, $number) or die "VT_ACTIVATE: $!\n";
}

show(7);
ioctl($terminal, KDSETMODE, KD_GRAPHICS) or die "KDSETMODE: $!\n";
print "has $node\n";
# sd_notify(3): whoever starts it waits until it shows something.
socket(my $manager, Socket::AF_UNIX, Socket::SOCK_DGRAM, 0) or die "socket: $!\n";
send($manager, 'READY=1', 0, Socket::pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die "notify: $!\n";
POSIX::sigsuspend(POSIX::SigSet->new()) until $ended;
ioctl($terminal, KDSETMODE, KD_TEXT) or die "KDSETMODE: $!\n";
show(1);
