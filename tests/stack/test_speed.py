"""Ten thousand VMs load in about a second; the bounds here are wide, and only catch work that grows with the square."""

import subprocess
import sys
from pathlib import Path

import effort
import pytest

_HEAD = "stack: big\nimages:\n  tiny: {kernel: ./vmlinuz}\nnetworks:\n  lan: {cidr: 10.0.0.0/8}\nvms:\n"
_VM = "    image: tiny\n    vcpus: 2\n    memory: 1 GiB\n    networks: [lan]\n    restart: always\n"


def _written_out(many: int) -> str:
    return _HEAD + "".join(f"  vm{number}:\n{_VM}" for number in range(many))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_written_out, id="written out"),
        pytest.param(lambda many: f"{_HEAD}  web:\n    count: {many}\n{_VM}", id="one count"),
        pytest.param(
            lambda many: f"{_HEAD}  web:\n    count: {many}\n{_VM}    labels: {{n: '{{{{ index }}}}'}}\n", id="one count with an index"
        ),
        pytest.param(
            lambda many: f"{_HEAD}  web:\n    count: {many}\n{_VM}  db:\n    count: {many}\n{_VM}    depends_on: [vm.web]\n",
            id="all wait for all",
        ),
    ],
)
def test_ten_times_the_vms_take_about_ten_times_as_long(text, load) -> None:
    def calls(many: int) -> int:
        content = text(many)
        loaded, count = effort.calls_of(lambda: load(content))
        assert loaded.desired is not None
        return count

    calls(10)
    assert calls(10_000) < 12 * calls(1_000) + 10_000


def test_memory_stays_small(folder) -> None:
    (folder / "stack.yaml").write_text(_written_out(10_000))
    script = (
        "import pathlib, re, sys; sys.path.insert(0, sys.argv[1])\n"
        "from herocloud.stack import load as loading\n"
        "loaded = loading.load(['stack.yaml'], host=None)\n"
        "assert len(loaded.desired.resources) == 10_002\n"
        # The rusage of a child begins with what its parent had.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text()).group(1)) // 1024)"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, cwd=folder, check=True)
    assert int(done.stdout) < 160
