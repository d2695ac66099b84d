"""A guest on a copied disk becomes a machine of its own.

Cloud-init makes new host keys for a new instance and leaves everything else as it lies on the disk. So each seed carries the identity of
its VM, and a guest that finds another one on its disk gives itself a new machine id, new host keys and a new random seed. The guest
notices, and not the one who copies: a disk may have come here in other ways than ours.
"""

from herocloud.kits import jsons

_FILE = "/var/lib/herocloud/identity"
_SCRIPT = f"""\
f={_FILE}
[ "$(cat $f 2>/dev/null)" = "$1" ] && exit 0
if [ -e $f ] || [ "$(ls /var/lib/cloud/instances 2>/dev/null | wc -l)" -gt 1 ]; then
    rm -f /etc/machine-id /var/lib/dbus/machine-id /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
    systemd-machine-id-setup 2>/dev/null || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
    command -v ssh-keygen >/dev/null && ssh-keygen -A
    for s in /var/lib/systemd/random-seed /var/lib/urandom/random-seed; do
        [ -e $s ] && head -c 512 /dev/urandom >$s
    done
fi
mkdir -p ${{f%/*}} && echo "$1" >$f
"""


def renewal(sid: str, lineage: str) -> list[str]:
    """Return the command that a guest runs at each boot: it does something on a disk of another VM only."""
    return ["sh", "-c", _SCRIPT, "herocloud", jsons.digest_text(f"{lineage} {sid}")]
