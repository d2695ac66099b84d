"""Herocloud: plan and apply for virtual machines on hosts you own.

The folders below are layers, described in `docs/architecture.md`; nothing is imported here, so that the command line starts fast.
"""

__version__ = "0.1.0"
