"""A VM without room to grow is a microvm where there is KVM, and lives like any other."""

import pytest

from herocloud.providers.qemu import kvm_probe
from herocloud.providers.vmm import marks

pytestmark = [pytest.mark.guest, pytest.mark.kvm]


def test_a_guest_boots_on_a_microvm_and_hears_its_button(make_bench, make_part, tiny_image) -> None:
    bench = make_bench()
    if kvm_probe.accelerate("qemu").name != "kvm":
        pytest.skip("needs a KVM that boots guests; the lab has one")
    payload = {"kernel": str(tiny_image.kernel), "initramfs": str(tiny_image.initramfs), "cmdline": "console=ttyS0 quiet"}
    part = make_part(payload=payload, max_vcpus=1, hotplug=0)
    bench.do("vm.create", None, part)
    bench.power("vm.boot", "stopped", "running")
    assert marks.read(bench.data, "v1").launched == {"accelerator": "kvm", "board": "microvm"}
    bench.wait(lambda: "herocloud-guest ready" in bench.console)
    assert bench.see() == {"machine": part, "power": "running"}
    bench.patient().perform(bench.work("vm.stop", "running", "stopped", part="power"))
    assert "herocloud-guest stopping" in bench.console
