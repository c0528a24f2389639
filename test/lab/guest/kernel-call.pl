#!/usr/bin/perl
# One call into the kernel in a process of its own, so that one that never returns blocks nobody else and can be
# killed: kernel-call.pl OPERATION ARGUMENT... Prints `ok` or the name of the errno. Those that keep something open
# then wait for lines on standard input, and let go at its end. Perl, since Node has no ioctl(2) and starts slowly.
use strict;
use warnings;
use Errno;
use Fcntl;

$| = 1;
my ($operation, @arguments) = @ARGV;

sub name_of {
    my ($number) = @_;
    return 'ENOTSUPP' if $number == 524;    # known to the kernel alone
    local $! = $number;
    my ($name) = grep { $!{$_} } sort keys %!;
    return $name // "errno $number";
}

sub answer { print $_[0] ? "ok\n" : name_of($! + 0) . "\n"; return $_[0]; }
sub finish { answer($_[0]); exit 0; }

# Opens, or answers why not.
sub open_or_finish {
    my ($path, $flags) = @_;
    sysopen(my $file, $path, $flags) or finish(0);
    return $file;
}

# _IO(';', 100 + n) of include/uapi/linux/vfio.h
sub vfio { return 0x3b64 + $_[0]; }

my %operations = (
    write => sub {
        my ($path, $hex, $create) = @_;
        my $file = open_or_finish($path, O_WRONLY | ($create ? O_CREAT | O_TRUNC : 0));
        finish(defined syswrite($file, pack('H*', $hex)));
    },
    read => sub {
        my $file = open_or_finish($_[0], O_RDONLY);
        finish(defined sysread($file, my $text, 8192));
    },
    # A VFIO group can be opened once, a disk exclusively once.
    'try-open' => sub { open_or_finish($_[0], $_[0] =~ m{^/dev/vfio/} ? O_RDWR : O_RDONLY | O_EXCL); finish(1); },
    'delete-module' => sub { finish(syscall(176, $_[0], O_NONBLOCK) == 0); },
    hold => sub { my $file = open_or_finish($_[0], O_RDONLY | O_NONBLOCK); answer(1); 1 while <STDIN>; },
    'keep-open' => sub {
        my $file = open_or_finish($_[0], O_WRONLY);
        answer(1);
        while (my $hex = <STDIN>) { chomp $hex; answer(defined syswrite($file, pack('H*', $hex))); }
    },
    # mmap(2) of anonymous huge pages: PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB. read(2) touches.
    'map-pages' => sub {
        my ($pages, $touched) = @_;
        my $start = syscall(9, 0, $pages << 21, 3, 0x40022, -1, 0);
        finish(0) if $start == -1;
        my $zero = open_or_finish('/dev/zero', O_RDONLY);
        for my $page (0 .. $touched - 1) { syscall(0, fileno $zero, $start + ($page << 21), 1) == 1 or finish(0); }
        answer(1);
        1 while <STDIN>;
    },
    # As QEMU does it: container, group, IOMMU type 1, the devices.
    'open-group' => sub {
        my ($path, @devices) = @_;
        my $group = open_or_finish($path, O_RDWR);
        my $container = open_or_finish('/dev/vfio/vfio', O_RDWR);
        ioctl($group, vfio(4), my $number = pack('i', fileno $container)) or finish(0);
        ioctl($container, vfio(2), 1) or finish(0);
        for my $device (@devices) { ioctl($group, vfio(6), my $name = "$device\0") or finish(0); }
        answer(1);
        1 while <STDIN>;
    },
);
$operations{$operation}->(@arguments);
