# The rule for what root runs: every component of its path, from /, and every link on the way belongs to root, and
# neither group nor others may write to it; a sticky bit does not excuse, but for the store that src/distribution.ts
# names. Else somebody could put another program there. The build fills in the store and puts these lines into the
# launcher, install.sh reads them, src/host/only-root.ts says the same.

# only_root_can_replace PATH: if not, `fault` says because of what
only_root_can_replace() {
    ahead=$1
    at=
    hops=0
    fault=
    while :; do
        hop=
        set -- /
        while [ -n "$ahead" ]; do
            name=${ahead%%/*}
            case $ahead in
            */*) ahead=${ahead#*/} ;;
            *) ahead= ;;
            esac
            [ -n "$name" ] || continue
            at=$at/$name
            set -- "$@" "$at"
            if [ -L "$at" ]; then
                hop=$at
                break
            fi
        done
        are_only_roots "$@" || return 1
        [ -n "$hop" ] || return 0
        hops=$((hops + 1))
        # As many as Linux follows.
        if [ $hops -gt 40 ] || ! target=$(readlink "$hop"); then
            fault="$hop leads nowhere"
            return 1
        fi
        case $target in
        /*) ahead=$target/$ahead ;;
        *) ahead=${hop%/*}/$target/$ahead ;;
        esac
        at=
    done
}

# are_only_roots PATH...: one child for all of them
are_only_roots() {
    if ! states=$(exec stat -c '%u:%A' -- "$@" 2>/dev/null); then
        fault="$at cannot be looked at"
        return 1
    fi
    for state in $states; do
        case "$state $1" in
        0:l* | 0:?????-??-* | '0:drwxrwxr-t @STORE@') ;;
        0:*)
            fault="others than root may write to $1 (${state#0:})"
            return 1
            ;;
        *)
            fault="$1 belongs to uid ${state%%:*}"
            return 1
            ;;
        esac
        shift
    done
}
