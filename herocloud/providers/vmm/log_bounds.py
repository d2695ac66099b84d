"""The shell that keeps the serial log of a VM small while nobody runs a command: a QEMU appends to its log and knows no limit.

The shell beside a VMM starts it where `process.bounds` says so, and it ends by itself within a tick of that one's death. It carries nothing
of the VM's environment, so it cannot be mistaken for the VMM, and holds none of its locks. It takes the log's own lock while it cuts, as
`files.cut_log` does: two who cut would throw away what the first of them put aside.

Copied and not renamed, because the VMM goes on writing into the file that it has open. What comes while the rest is put aside is put aside
as well, until nothing came; only what is written in the instant between the last look and the cut is lost.
"""

SECONDS = "10"
"""Between two looks. A guest fills its console with some megabytes a second at most, so the limit is exceeded by some tens of them."""
FLAG = "bounds"
RECORD = "bounded-by"
LOG = "serial.log"

SCRIPT = """\
log=$1
keeper=$2
limit=$3
seconds=$4
umask 077
read -r boot </proc/sys/kernel/random/boot_id
read -r stat </proc/self/stat
printf '%s\\n' "$boot" bounds "" "$stat" >"$5"
size() { stat -c %s "$log" 2>/dev/null || echo 0; }
cut() {
    flock -n 7 || return
    known=$(size)
    [ "$known" -gt "$limit" ] || return
    tail -c "$limit" "$log" >"$log.1" || return
    for _ in 1 2 3; do
        now=$(size)
        [ "$now" -gt "$known" ] || break
        tail -c "+$((known + 1))" "$log" | head -c "$((now - known))" >>"$log.1"
        known=$now
    done
    : >"$log"
}
napping=
# What it waits for ends with it, and before it, so that nothing is left when this shell is gone. Killed, because a process that has just
# been forked may lose any other signal.
trap '[ "$napping" ] && kill -KILL "$!" 2>/dev/null && wait "$!"; exit 0' TERM
nap() {
    napping=1
    sleep "$seconds" &
    wait "$!"
    code=$?
    napping=
    return "$code"
}
while nap && kill -0 "$keeper" 2>/dev/null; do
    [ "$(size)" -gt "$limit" ] && cut 7<"$log"
done
"""

START = """\
if [ -e "$record.bounds" ]; then
    read -r limit seconds <"$record.bounds"
    log=$folder/serial.log
    read -r own _ </proc/self/stat
    env -i PATH="$PATH:/usr/sbin:/usr/bin:/sbin:/bin" /bin/sh -c "$bounding" herocloud-log \\
        "$log" "$own" "$limit" "$seconds" "$record.bounded-by" </dev/null >/dev/null 2>&1 8>&- 9>&- &
fi
"""
"""What the shell beside a VMM does; `$bounding` is the script, and `$folder` that of the record."""
