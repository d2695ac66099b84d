"""QEMU: runs VMs on any machine, with KVM where guests really get through it and under emulation elsewhere.

`planning` is the part that `plan/` may import; `observing` and `driving` are opened by `providers/registry.py`. What is not QEMU's own is
in `providers/vmm`.
"""
