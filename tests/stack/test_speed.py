"""Ten thousand VMs load in about a second; the bounds here are wide, and only catch work that grows with the square."""

import gc
import subprocess
import sys
import time
from pathlib import Path

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
    def seconds(many: int) -> float:
        content = text(many)
        gc.collect()
        began = time.process_time()
        loaded = load(content)
        took = time.process_time() - began
        assert loaded.desired is not None
        return took

    seconds(10)
    small, large = seconds(1_000), seconds(10_000)
    assert large < 25 * small + 0.2
    assert large < 8


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
