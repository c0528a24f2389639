#!/bin/sh
# The first lines of the compiled hook. libvirt calls it at five moments of every guest's life; here, in less
# than a millisecond, ends every call that has nothing to do, and Node is found for the others.
# These lines may only err towards starting Node.
#
# The build puts this text into a JavaScript comment: keep it free of that comment's end mark (star, slash).

chosen_node='' # the installer writes an absolute path here

guest=${1-}
call=${2-}/${3-}

held_claims() {
    for claim in /run/vfio-hook/claims/*.json; do
        [ -e "$claim" ] && return 0
    done
    return 1
}

is_hook=yes
case $0 in
vfio-hook | *[/]vfio-hook) is_hook=no ;;
esac

xml=
if [ $is_hook = yes ] && [ $# -eq 4 ]; then
    case $call in
    prepare/begin)
        # One byte over the limit, so that Node sees that there is more.
        xml=$(exec head -c 16777217 2>/dev/null)
        # Names of devices, and what other spellings of them begin with: in XML, and in JSON for QEMU.
        case $xml in
        *hostdev* | *nvme* | *vfio* | *'&#'* | *'<!'* | *'<?'* | *'\u'*) ;;
        '<domain'*'</domain>') held_claims || exit 0 ;;
        esac
        ;;
    release/end) held_claims || exit 0 ;;
    *) exit 0 ;;
    esac
fi

unset NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_REPL_EXTERNAL_MODULE NODE_V8_COVERAGE NODE_DEBUG

find_node() {
    for node in "$chosen_node" /usr/bin/node /bin/node /usr/local/bin/node /usr/bin/nodejs /opt/node/bin/node; do
        [ -n "$node" ] && [ -x "$node" ] && return 0
    done
    return 1
}

if find_node; then
    [ -n "$xml" ] || exec "$node" "$0" "$@"
    exec "$node" "$0" "$@" <<XML
$xml
XML
fi

# A guest of a user's own session (qemu:///session) is none of our business.
if [ $is_hook = no ] || { [ "$call" = prepare/begin ] && [ "$(id -u)" = 0 ]; }; then
    what='cannot run'
    [ $is_hook = yes ] && what="cannot start guest \"$(printf %s "$guest" | LC_ALL=C tr -c '[:alnum:]._ -' '?')\", which may be assigned host devices"
    printf 'vfio-hook: error: %s: there is no Node.js on this host\n' "$what" >&2
    printf 'vfio-hook: hint: install it (apt install nodejs) or run install.sh again with NODE=/path/to/node\n' >&2
    exit 1
fi
exit 0
