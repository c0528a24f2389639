#!/bin/sh
# What libvirt runs as /etc/libvirt/hooks/qemu; called vfio-hook it is the command. libvirt runs it at five moments of
# every guest's life: here, in less than a millisecond, ends every call that has nothing to do, and Node is found for
# the others. These lines may only err towards starting Node. The build puts the values of
# src/distribution.ts where one of their names stands between two @.

# The program of vfio-hook run gets the caller's variables: also those that are called like one of these lines'.
case $0/${1-} in
vfio-hook/run | *[/]vfio-hook/run) vfio_hook_caller=$(export -p) ;;
esac

# install.sh writes the absolute paths of Node and of hook.cjs here. In a build the latter lies beside this file.
chosen_node=''
program=''

callers_path=${PATH-}
PATH=@PROGRAM_DIRECTORIES@
export PATH

guest=${1-}
call=${2-}/${3-}

held_claims() {
    for claim in /run/vfio-hook/claims/*.json; do
        [ -e "$claim" ] && return 0
    done
    return 1
}

# Virtual functions are all that libvirt chooses itself for a guest: from the pool of a network.
functions() {
    for function in /sys/bus/pci/devices/*/physfn; do
        [ -e "$function" ] && return 0
    done
    return 1
}

# What a guest needs besides devices stands in a file of its own; whose the files are is for Node to say.
configured_guests() {
    for file in /etc/vfio-hook/domains/*; do
        [ -e "$file" ] && return 0
    done
    return 1
}

# Scripts of a guest, in the tree of the usual dispatchers: beside hooks/qemu, unless an earlier hook was kept, which goes on
# with them. A guest is called by any name, but none with a slash.
has_scripts() {
    [ "$0" = @LIBVIRT@/hooks/qemu ] || return 1
    case $guest in '' | . | .. | */*) return 1 ;; esac
    [ -e "$0.d/$guest/$call" ] && [ ! -e "$0.d/00-kept-by-vfio-hook" ]
}

is_hook=yes
case $0 in
vfio-hook | *[/]vfio-hook) is_hook=no ;;
esac

xml=
without_devices=no
needs='may be assigned host devices'
if [ $is_hook = yes ] && [ $# -eq 4 ]; then
    case $call in
    prepare/begin)
        # One byte over the limit, so that Node sees that there is more.
        xml=$(exec head -c 16777217 2>/dev/null)
        # Names of devices, and what other spellings of them begin with: in XML, and in JSON for QEMU.
        case $xml in
        *hostdev* | *nvme* | *vfio* | *'&#'* | *'<!'* | *'<?'* | *'\u'*) ;;
        '<domain'*'</domain>')
            if has_scripts; then
                needs='has scripts'
            elif ! held_claims; then
                configured_guests || exit 0
                without_devices=yes
            fi
            ;;
        esac
        ;;
    start/begin)
        if ! has_scripts; then
            functions || exit 0
            xml=$(exec head -c 16777217 2>/dev/null)
            # libvirt writes what it has chosen as an interface of this type; others, as every other guest, were seen before.
            case $xml in
            *"interface type='hostdev'"* | *'interface type="hostdev"'* | *'<actual'*) ;;
            *'&#'* | *'<!'* | *'<?'*) ;;
            '<domain'*'</domain>') exit 0 ;;
            esac
        fi
        ;;
    release/end) held_claims || has_scripts || exit 0 ;;
    *) has_scripts || exit 0 ;;
    esac
fi

# include only-root.sh

# Whoever owns / is root; others are asked for their number, which takes a child.
is_root() { [ -O / ] || [ "$(id -u)" = 0 ]; }

# find_node: sets `node`; if there is none, `problem` and `hint` say why
find_node() {
    problem='there is no Node.js on this host'
    hint='install it (apt install nodejs) or run install.sh again with NODE=/path/to/node'
    for node in "$chosen_node" @NODE_PLACES@; do
        if [ ! -f "$node" ] || [ ! -x "$node" ]; then continue; fi
        # What a user runs for itself may be its own.
        is_root || return 0
        only_root_can_replace "$node" && return 0
        problem="somebody else than root can replace $node: $fault"
        hint='install one from a package of the distribution (apt install nodejs), and run install.sh again'
    done
    return 1
}

# find_program: sets `program`; if it is not there, `problem` and `hint` say so
find_program() {
    if [ -z "$program" ]; then
        launcher=$(readlink -f -- "$0")
        program=${launcher%/*}/hook.cjs
    fi
    problem="there is no $program"
    hint='the installation is damaged: install vfio-hook again'
    [ -f "$program" ]
}

# The shell beside Node, which starts processes for it at a tenth of the price.
# shellcheck disable=SC2016 # it is for another shell
side_shell='
# include side-shell.bash
'

# start_beside: sets `beside`, which tells Node of processes that it can write to: a shell (requests go to descriptor 4,
# answers come from 5, those about locks from 7), and what sends lines to the journal (9). A here-document of one line is a
# pipe, but for bash before 5.1, and /proc opens the other end of it. Where that fails, Node starts what it needs itself.
start_beside() {
    command -v bash >/dev/null || return
    command exec 3<<REQUESTS 5<<ANSWERS 7<<LOCKS
.
REQUESTS
.
ANSWERS
.
LOCKS
    if [ -p /proc/self/fd/3 ] && [ -p /proc/self/fd/5 ] && [ -p /proc/self/fd/7 ] &&
        command exec 4>/proc/self/fd/3 6>/proc/self/fd/5 8>/proc/self/fd/7; then
        read -r _ <&3
        read -r _ <&5
        read -r _ <&7
        LC_ALL=C bash --norc -p -c "$side_shell" vfio-hook-side-shell <&3 >&6 3>&8 4>&- 5>&- 6>&- 7>&- 8>&- &
        beside="VFIO_HOOK_SIDE_SHELL=$!"
        command exec 3<&- 6>&- 8>&-
    fi
    [ -e /dev/log ] && command -v logger >/dev/null || return
    command exec 3<<LINES
.
LINES
    if [ -p /proc/self/fd/3 ] && command exec 9>/proc/self/fd/3; then
        read -r _ <&3
        {
            trap '' HUP INT TERM
            exec logger --tag vfio-hook --prio-prefix --size 2KiB "--id=$$"
        } <&3 >/dev/null 3<&- 4>&- 5<&- 7<&- 9>&- &
        beside="$beside VFIO_HOOK_LOGGER=$!"
    fi
    command exec 3<&-
}

# start ARGUMENT...: becomes Node. No variable of whoever called reaches it but those that say how to write to a person.
start() {
    if [ $is_hook = yes ]; then
        # shellcheck disable=SC2086 # variables for env, without spaces
        exec env -i "PATH=$PATH" LC_ALL=C $beside "$node" "$program" "$0" "$@"
    fi
    exec env -i "PATH=$PATH" ${TERM+"TERM=$TERM"} ${COLORTERM+"COLORTERM=$COLORTERM"} ${COLUMNS+"COLUMNS=$COLUMNS"} \
        ${NO_COLOR+"NO_COLOR=$NO_COLOR"} ${FORCE_COLOR+"FORCE_COLOR=$FORCE_COLOR"} ${TZ+"TZ=$TZ"} ${LANG+"LANG=$LANG"} \
        ${LC_ALL+"LC_ALL=$LC_ALL"} ${LC_CTYPE+"LC_CTYPE=$LC_CTYPE"} ${LC_TIME+"LC_TIME=$LC_TIME"} \
        "$node" "$program" "$0" "$@"
}

if find_node && find_program; then
    # Not in a function: what bash declares there is gone behind it.
    if [ $is_hook = no ] && [ "${1-}" = run ]; then
        # But for what Node, or the OpenSSL in it, would load code by.
        vfio_hook_unset=$(printf '%s\n' "$vfio_hook_caller" | sed -n 's/^[a-z -]*\(NODE_[A-Za-z0-9_]*\).*/\1/p')
        set -- "$node" "$program" "$0" "$@"
        PATH=$callers_path
        case $vfio_hook_caller in
        *SHELLOPTS=* | *BASHOPTS=*) ;; # bash ends when these are set
        *) eval "$vfio_hook_caller" ;;
        esac
        # shellcheck disable=SC2086 # names
        unset $vfio_hook_unset OPENSSL_CONF OPENSSL_MODULES
        exec "$@"
    fi
    beside=
    case $is_hook$call in
    yesprepare/begin | yesstart/begin | yesrelease/end) start_beside 2>/dev/null ;;
    esac
    [ -n "$xml" ] || start "$@"
    # Node has to be this very process, which libvirt waits for and sends signals to. dash and busybox feed a
    # here-document through a pipe. bash writes a large one to a file, but can be the last part of a pipeline itself.
    # shellcheck disable=SC3044 # no other shell has it, and then it fails
    if shopt -s lastpipe 2>/dev/null; then
        printf '%s\n' "$xml" 2>/dev/null | start "$@"
    fi
    start "$@" <<XML
$xml
XML
fi

# A guest of a user's own session (qemu:///session) is none of our business, nor is one that takes nothing from the host.
if [ $is_hook = no ] ||
    { [ "$call" != release/end ] && [ $without_devices = no ] && is_root; }; then
    what='cannot run'
    [ $is_hook = yes ] && what="cannot start guest \"$(printf %s "$guest" | LC_ALL=C tr -c '[:alnum:]._ -' '?')\", which $needs"
    printf 'vfio-hook: error: %s: %s\n' "$what" "$problem" >&2
    printf 'vfio-hook: hint: %s\n' "$hint" >&2
    exit 1
fi
exit 0
