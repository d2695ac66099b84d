"""A disk that has become read-only: looking works, whatever would write says so and changes nothing, and nothing is lost on either side.

Everything runs as commands of their own on a real file system that only they see, which is mounted read-only and writable again.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.world, pytest.mark.root]

PLAY = """
import os, sqlite3, subprocess, sys
from pathlib import Path

root, work, point = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
data = root / "data"
data.mkdir(mode=0o700)
(data / "host.yaml").write_text("name: node1\\nsimulated: {memory: 64 GiB, disk: 1 TiB, cpus: 16}\\n")
STACK = '''stack: shop
images: {i: {source: "https://example.org/a.raw", unpinned: true, format: raw}}
volumes: {data: {size: 1 GiB}}
vms:
  a: {image: i, volumes: [data]}
  b: {image: i}
'''
READS = ("plan", "drift", "vm list", "show", "state list", "state log", "output", "slice list", "plan --out p.hcplan")
WRITES = ("apply -y", "apply p.hcplan -y", "destroy -y", "destroy -y --purge", "vm stop a", "vm restart a", "state rm vm.b", "undo -y",
          "vm snapshot create a", "daemon run")


def run(*words, faults=""):
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(data), *words]
    environment = {**os.environ, "HEROCLOUD_FAULTS": faults, "NO_COLOR": "1"}
    ran = subprocess.run(command, cwd=work, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=60)
    if "a defect in herocloud" in ran.stderr or "Traceback" in ran.stderr:
        print(" ".join(words), "is a defect:", ran.stderr)
    return ran


def expect(code, *words, **more):
    ran = run(*words, **more)
    if ran.returncode not in (code if isinstance(code, tuple) else (code,)):
        print(" ".join(words), "exit", ran.returncode, ran.stdout, ran.stderr)
    return ran


def mount(how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(root)], check=True)


def everything():
    found = []
    for name in ("state.db", "simulator.db"):
        opened = sqlite3.connect(data / name)
        found.append(list(opened.iterdump()))
        opened.close()
    return found


def write(text):
    (work / "stack.yaml").write_text(text)


write(STACK)
expect(0, "apply", "-y", "-q")
write(STACK.replace("  b: {image: i}", "  c: {image: i}").replace("1 GiB", "2 GiB"))
if point:
    expect(-9, "apply", "-y", "-q", faults=f"{point}:1:kill")
before = everything()
mount("ro")
for words in READS:
    expect(0, *words.split())
for words in WRITES:
    ran = expect((1, 12), *words.split())
    if "Read-only file system" not in ran.stderr and "not finished" not in ran.stderr:
        print(words, "does not say why:", ran.stderr)
for words in ("resume -y", "resume --rollback -y") if point else ():
    if "Read-only file system" not in expect(1, *words.split()).stderr:
        print(words, "does not say why")
if "mounted read-only" not in run("doctor").stdout:
    print("doctor does not say that it is read-only")
mount("rw")
if everything() != before:
    print("something has changed")
if point:
    expect(0, "resume", "-y")
expect(0, "apply", "-y", "-q")
if run("plan").stdout.strip() != "No changes.":
    print("something was lost")
if run("vm", "list").stdout.count("running") != 2:
    print("a machine is missing or there twice")
expect(0, "destroy", "-y", "-q", "--purge")
"""


@pytest.mark.parametrize("point", ["", "state.commit.written", "simulator.vm.boot.after", "simulator.vm.stop.after"])
def test_nothing_is_lost_and_whatever_writes_says_why_it_cannot(tmp_path: Path, point: str) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare to mount a file system")
    place, work = tmp_path / "disk", tmp_path / "work"
    place.mkdir()
    work.mkdir()
    mounted = 'mount -t tmpfs -o size=60m,mode=755 none "$1" || exit 77; exec "$4" -c "$5" "$1" "$2" "$3"'
    words = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(place), str(work), point, sys.executable, PLAY]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, env=environment)
    if ran.returncode == 77:
        pytest.skip("root may not mount a file system here")
    assert ran.returncode == 0, ran.stderr
    assert not ran.stdout
