"""The shell beside a VMM, or beside what works for one: it starts the process, notes how it ended, and starts it again where that is asked.

Its words say where everything lies, and it reads the policy and the orders from files whenever it needs them.
"""

import sys
from pathlib import Path

from herocloud.providers.vmm import folders, jail_command, log_bounds

SCRIPT = """\
record=$1
python=$2
jail=$3
orders=$4
bounding=$5
loader=$6
folder=$7
events=$8
other=$9
umask 077
# A shell sets these for its children; a companion would have them for as long as it lives.
unset PWD OLDPWD
[ "$held" ] || exec 9<>"$record.lock" || exit 75
case $0 in
*-adopter) adopts=1; exec 8>>"$record.adopter" && flock -n 8 || exit 75 ;;
*-beside) adopts=1 ;;
*) adopts=; [ "$held" ] || flock -w 1 9 || exit 75 ;;
esac
leave() {
    case $0 in *-keeper) [ "$other" ] && exec 9>&- 7<"$other.lock" && flock -w 5 7 ;; esac
    exit 0
}
note() { printf '%s %s\\n' "$(date +%s)" "$*" >>"$events"; }
again="-- started again"
was_signaled() {
    read -r name words <"$record.signals" || return
    case $name in */*) return 1 ;; esac
    tail -c 65536 "$folder/$name" | {
        told=1
        while read -r line || [ "$line" ]; do
            case $line in
            *"$words"*) told=0 ;;
            "$again"*) told=1 ;;
            esac
        done
        exit "$told"
    }
}
[ "$ended" ] || {
    read -r boot </proc/sys/kernel/random/boot_id
    read -r stat </proc/self/stat
    printf '%s\\n' "$boot" keeper "" "$stat" >"$record.keeper"
}
@bounds@
pause=1
tries=0
while :; do
    [ "$ended" ] || IFS=. read -r began _ </proc/uptime
    if [ "$ended" ]; then
        code=$ended
        ended=
    elif [ "$adopts" ]; then
        case $0 in
        *-beside)
            read -r _ <&8
            flock -n 9 || exit 75
            exec 7<"$other.lock" 8<&-
            flock -n -s 7 && exit 0
            exec 7<&-
            ;;
        *) flock 9 8>&- ;;
        esac
        adopts=
        code=unknown
    else
        "$python" -I -S -c "$loader" "$jail" run "$orders" "$record" "$other" 8>&-
        code=$?
    fi
    [ "$code" = 0 ] && [ -e "$record.signals" ] && was_signaled && code=143
    printf '%s\\n' "$code" >"$record.ended"
    policy=no
    read -r policy <"$record.restart"
    [ -e "$record.stop" ] && leave
    note ended "$code"
    [ "$policy" = always ] || { [ "$policy" = on-failure ] && [ "$code" != 0 ]; } || {
        note left-off "$code"
        printf '%s\\n' left-off >"$record.left"
        leave
    }
    IFS=. read -r now _ </proc/uptime
    [ $((now - began)) -gt 60 ] && pause=1 && tries=0
    [ "$tries" -ge 10 ] && {
        note gave-up "$tries"
        printf '%s\\n' gave-up >"$record.left"
        leave
    }
    sleep "$pause" 8>&- 9>&-
    [ -e "$record.stop" ] && leave
    tries=$((tries + 1))
    pause=$((pause < 32 ? pause * 2 : 60))
    note restarted "$tries"
    printf '%s\\n' "$again, try $tries"
done
"""
SCRIPT = SCRIPT.replace("@bounds@", log_bounds.START)
"""The shell beside a VMM. `.restart` says whether it is kept, and `.stop` that it is not, for now: words that are compared and never run.
What is run stands in its orders, in the runtime folder, which nobody else can write to.

Where `.bounds` is, a second shell keeps the serial log small. A process that ends within a minute ten times in a row is given up. What
happened stands in `events.` and the name of the record, with its time. The lock is waited for, because a look at it holds it for an
instant. A program that ends in good order when it is sent a signal ends with 0, and only its log tells this from a guest that switched
itself off: `.signals` names the log and the words, and the code is then that of a process which SIGTERM ended. An adopter takes the place
of a shell that was killed: it waits for the lock that the process holds, and does not learn its exit
code, which counts as a failure then. One that stands by what works beside a VMM did not start it either: it waits for the end of a pipe,
and for a VMM that is over starts nothing again. Where systemd runs, all that is left of a unit ends with the shell that is its first
process, so that one lets the process beside hear that it is over (the lock is free) and write down its last words. A
pause holds no lock: it may outlive a shell that is killed, and would keep the next one out."""


def words(name: str, record: Path, other: Path | None) -> list[str]:
    """Return the words that start a shell; `other` is the record of what starts together with its process."""
    own = record.absolute()
    begin = ["/bin/sh", "-c", SCRIPT, name, str(own), sys.executable, str(jail_command.JAIL), str(folders.orders_path(own))]
    begin += [log_bounds.SCRIPT, jail_command.LOADER, str(own.parent), str(own.with_name(f"events.{own.name}"))]
    return [*begin, "" if other is None else str(other.absolute())]
