"""What calls of the REST API take and answer.

Written by `scripts/cloud-hypervisor-models` from the OpenAPI file of Cloud Hypervisor v53.0; not edited by hand.
"""

from typing import Annotated, Literal, Required, TypedDict

from herocloud.kits.jsons import Json
from herocloud.providers.cloud_hypervisor.limits import Limits
from herocloud.providers.cloud_hypervisor.machine_models import VmConfig


class VmmPingResponse(TypedDict, total=False):
    build_version: str
    version: Required[str]
    pid: int
    features: list[str]


VmState = Literal["Created", "Running", "Shutdown", "Paused", "BreakPoint"]


class DeviceNode(TypedDict, total=False):
    id: str
    resources: list[Json]
    children: list[str]
    pci_bdf: str


class VmInfo(TypedDict, total=False):
    config: Required[VmConfig]
    state: Required[VmState]
    memory_actual_size: int
    device_tree: dict[str, DeviceNode]


VmCounters = dict[str, dict[str, int]]


class PciDeviceInfo(TypedDict, total=False):
    id: Required[str]
    bdf: Required[str]


class VmResize(TypedDict, total=False):
    desired_vcpus: Annotated[int, Limits(minimum=1)]
    desired_ram: int
    desired_balloon: int


class VmResizeDisk(TypedDict, total=False):
    id: Required[str]
    desired_size: Required[int]


class VmResizeZone(TypedDict, total=False):
    id: Required[str]
    desired_ram: Required[int]


class VmRemoveDevice(TypedDict, total=False):
    id: Required[str]


class VmSnapshotConfig(TypedDict, total=False):
    destination_url: Required[str]


class VmCoredumpData(TypedDict, total=False):
    destination_url: Required[str]


MemoryRestoreMode = Literal["Copy", "OnDemand"]


class RestoreConfig(TypedDict, total=False):
    source_url: Required[str]
    prefault: bool
    memory_restore_mode: Annotated[MemoryRestoreMode, Limits(since=52)]
    resume: Annotated[bool, Limits(since=52)]


MigrationMode = Literal["Precopy", "Postcopy"]


class ReceiveMigrationData(TypedDict, total=False):
    receiver_url: Required[str]
    tls_dir: str
    memory_mode: MigrationMode


TimeoutStrategy = Literal["Cancel", "Ignore"]


class SendMigrationData(TypedDict, total=False):
    destination_url: Required[str]
    local: bool
    downtime_ms: Annotated[int, Limits(minimum=1)]
    timeout_s: Annotated[int, Limits(minimum=1)]
    timeout_strategy: TimeoutStrategy
    connections: Annotated[int, Limits(minimum=1, maximum=128)]
    tls_dir: str
    memory_mode: MigrationMode


class VmAddUserDevice(TypedDict, total=False):
    socket: Required[str]
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str
