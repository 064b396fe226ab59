# shellcheck shell=bash
# shellcheck disable=SC2317 # functions that traps and until_true call
# Programs come and go: sourced by scripts that start some. Makes $dir for their
# logs; whatever way the script ends, they are stopped and $dir is removed.

dir=$(mktemp -d "${TMPDIR:-/tmp}/memfleet-${0##*/}.XXXXXX")
pids=() names=()
# The programs refuse to run as root unless they are told to.
as_root=()
[ "$(id -u)" != 0 ] || as_root=(-u root)

# Last started, first stopped. A program that does not end is killed.
stop_all() {
    local i pid waited
    trap '' INT TERM HUP
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${pids[i]}" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        waited=0
        while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt 100 ]; do
            sleep 0.1
            waited=$((waited + 1))
        done
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap stop_all EXIT
trap : PIPE # a server that closes must not end us
trap 'say ""; say "stopping"; exit 0' INT TERM HUP

# start NAME COMMAND...: in the background, its output in a log of its own.
start() {
    local name=$1
    shift
    "$@" >"$dir/$name.log" 2>&1 </dev/null &
    pids+=($!)
    names+=("$name")
}

# Says which program has ended; false if all run.
one_ended() {
    local i
    for i in "${!pids[@]}"; do
        if ! kill -0 "${pids[i]}" 2>/dev/null; then
            say "${names[i]} ended; the end of its log:"
            tail -n 20 "$dir/${names[i]}.log"
            return 0
        fi
    done
    return 1
}

# until_true WHAT COMMAND...: tries every 50 ms for half a minute.
until_true() {
    local what=$1 tries=600
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        if one_ended || [ "$tries" = 0 ]; then
            fail "waited in vain until $what"
        fi
        sleep 0.05
    done
}

# addr_of NAME: where it listens, from its log; sets $addr.
addr_of() {
    addr=$(sed -n 's/.*event=listening .*\baddr="\{0,1\}\([^" ]*\).*/\1/p' "$dir/$1.log" | head -n 1)
    [ -n "$addr" ]
}

# talk ADDR BYTES PATTERN: asks and looks for a line of the reply. The bytes end
# with what makes the server close, else a reply without that line takes 3 s.
talk() {
    local line=''
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return 1
    printf '%b' "$2" >&3
    while IFS= read -r -t 3 line <&3 || [ -n "$line" ]; do
        # shellcheck disable=SC2254 # a pattern is meant
        case $line in
        $3) exec 3>&-; return 0 ;;
        esac
    done
    exec 3>&-
    return 1
} 2>/dev/null
