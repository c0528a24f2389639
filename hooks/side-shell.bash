# The shell beside Node, started by the launcher: a process costs it a tenth of what it costs Node. Requests come on
# stdin, a field in each line, and answers go to stdout, those about locks to descriptor 3: a number, a word, and a text.
# It ends with Node, and its locks with it. src/host/linux/side-shell.ts says what is asked. No single quotes in here: in
# the launcher this text stands between two.

# A signal for the group of the hook is for Node, which decides what is still done.
trap "" HUP INT TERM
exec 2>/dev/null
declare -A locks=()

# Room for what a command says: a pipe, in older shells a file. Without it nothing is done here.
room_for_words() { exec 9<<<""; }
room_for_words || exit

# try_to COMMAND...: what it says is in `said`.
try_to() {
    "$@" 2>/proc/self/fd/9
    local status=$? words
    said=""
    while IFS= read -r words; do said+=$words; done <&9
    return $status
}

answer() { printf "%s\n" "$number $1"; }

open_for_writing() { exec 7>"$1"; }

write_line() { printf "%s\n" "$1" >&7; }

read_line() { IFS= read -r line <"$1"; }

# One read(2) of so many bytes; it says them in hexadecimal.
dump() { od -An -v -tx1 -N "$1" -- "$2" >&2; }

# What a process that may wait in the kernel must not have: what others wait for.
leave_locks() {
    local held
    for held in "${locks[@]}"; do exec {held}<&-; done
    exec 3>&-
}

# These run in processes of their own.

# A write that has not returned is known by its process: what by its name, where by descriptor 7.
write() {
    leave_locks
    printf %s "${2:- }" >/proc/self/comm
    answer "begun $BASHPID"
    # It would open with O_CREAT, for which sysfs has another answer.
    if [[ ! -e $1 ]]; then
        answer "failed No such file or directory"
    elif try_to open_for_writing "$1" && try_to write_line "$2"; then
        answer written
    else
        answer "failed $said"
    fi
}

first_lines() {
    local path line
    leave_locks
    for path; do
        line=""
        room_for_words
        if try_to read_line "$path" || [[ -n $line ]]; then answer "line $line"; else answer "failed $said"; fi
    done
}

first_bytes() {
    leave_locks
    if try_to dump "$1" "$2"; then answer "bytes $said"; else answer "failed $said"; fi
}

while IFS= read -r number && IFS= read -r request; do
    room_for_words
    case $request in
    write)
        IFS= read -r path
        IFS= read -r value
        write "$path" "$value" </dev/null &
        ;;
    read)
        IFS= read -r count
        paths=()
        for ((; count > 0; count--)); do
            IFS= read -r path
            paths+=("$path")
        done
        first_lines "${paths[@]}" </dev/null &
        ;;
    bytes)
        IFS= read -r length
        IFS= read -r path
        first_bytes "$length" "$path" </dev/null &
        ;;
    lock)
        IFS= read -r path
        IFS= read -r seconds
        wait=(-n)
        [[ $seconds = 0 ]] || wait=(-w "$seconds")
        if ! exec {held}<"$path"; then
            answer 1 >&3
        elif try_to flock -x -E 75 "${wait[@]}" "$held"; then
            locks[$number]=$held
            answer 0 >&3
        else
            answer $? >&3
            exec {held}<&-
        fi
        ;;
    unlock)
        IFS= read -r name
        held=${locks[$name]}
        unset "locks[$name]"
        exec {held}<&-
        answer 0 >&3
        ;;
    esac
done
