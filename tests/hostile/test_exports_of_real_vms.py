"""VMs in a file, on both hypervisors: what is packed is what the VM boots, and what comes back runs where it ran."""

import json
import tarfile
from typing import Any

import pytest

from tests.hostile.test_kernels_that_change import Host, host  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STACK = """\
stack: shop
images:
  tiny: {{kernel: ./vmlinux, initramfs: ./initramfs, cmdline: console=ttyS0 guest=lively}}
volumes: {{data: {{size: 4 MiB}}}}
vms:
  web: {{image: tiny, hypervisor: {hypervisor}, memory: 64 MiB, volumes: [data]{more}}}
"""


@pytest.fixture
def site(host: Host) -> Any:  # noqa: F811  (a fixture)
    yield host
    # Guests of the stand-in hear no power button.
    host.run("vm", "stop", "back", "--stack", "imperative", "--force", "-q")
    host.run("destroy", "--stack", "imperative", "-y", "--purge", "-q")


def _packed(site: Host) -> dict[str, bytes]:
    site.run.done("vm", "export", "web", "web.tar", "-q")
    with tarfile.open(site.run.folder / "web.tar") as archive:
        names = {name.rpartition("/")[2]: name for name in archive.getnames()}
        return {field: archive.extractfile(names[field]).read() for field in site.originals}  # type: ignore[union-attr]


def _runs_on(site: Host) -> str:
    return str(json.loads(site.run.done("vm", "show", "back", "--stack", "imperative", "--json").out)["spec"]["hypervisor"])


def test_the_kernel_that_is_packed_is_the_one_that_the_vm_boots(site: Host) -> None:
    site.run.write(STACK.format(hypervisor=site.hypervisor, more=""))
    site.run.done("apply", "-y")
    booted = site.booted()
    site.change()
    assert _packed(site) == booted != site.held()


def test_what_is_imported_runs_where_it_ran(site: Host) -> None:
    # The other one refuses this field, and `auto` may well take the other one here.
    options = ", memory_options: {thp: false}" if site.hypervisor == "cloud-hypervisor" else ""
    site.run.write(STACK.format(hypervisor=site.hypervisor, more=options))
    site.run.done("apply", "-y")
    site.run.done("vm", "export", "web", "web.tar", "-q")
    site.run.done("vm", "import", "web.tar", "--name", "back")
    assert _runs_on(site) == site.hypervisor
    wrong = site.run("vm", "import", "web.tar", "--name", "back", "--hypervisor", "qemo")
    assert (wrong.code, "did you mean `qemu`?" in wrong.err) == (64, True)


def test_what_an_import_runs_on_is_named_by_flag_environment_and_host_file(site: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    if site.hypervisor == "qemu":
        pytest.skip("needs a hypervisor that has options which QEMU lacks")
    site.run.write(STACK.format(hypervisor=site.hypervisor, more=", memory_options: {thp: false}"))
    site.run.done("apply", "-y")
    site.run.done("vm", "export", "web", "web.tar", "-q")
    wanted = ("vm", "import", "web.tar", "--name", "back")

    def is_refused(*flags: str) -> bool:
        ran = site.run(*wanted, *flags)
        return (ran.code, "memory_options.thp" in ran.err) == (1, True)

    assert is_refused("--hypervisor", "qemu")
    with monkeypatch.context() as patched:
        patched.setenv("HEROCLOUD_HYPERVISOR", "qemu")
        assert is_refused()
    (site.data / "host.yaml").write_text("name: node1\nsettings: {hypervisor: qemu}\n", encoding="utf-8")
    assert is_refused()
    site.run.done(*wanted, "--hypervisor", "cloud-hypervisor")
    assert _runs_on(site) == "cloud-hypervisor"
