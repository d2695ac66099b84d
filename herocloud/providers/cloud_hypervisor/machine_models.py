"""The configuration of a VM in the REST API.

Written by `scripts/cloud-hypervisor-models` from the OpenAPI file of Cloud Hypervisor v53.0; not edited by hand.
"""

from typing import Annotated, Literal, Required, TypedDict

from herocloud.providers.cloud_hypervisor.limits import Limits


class PayloadConfig(TypedDict, total=False):
    firmware: str
    kernel: str
    cmdline: str
    initramfs: str
    igvm: str
    host_data: str


class CpuTopology(TypedDict, total=False):
    threads_per_core: int
    cores_per_die: int
    dies_per_package: int
    packages: int


class CpuAffinity(TypedDict, total=False):
    vcpu: Required[int]
    host_cpus: Required[list[int]]


class CpuFeatures(TypedDict, total=False):
    amx: bool


CoreSchedulingMode = Literal["Vm", "Vcpu", "Off"]


class CpusConfig(TypedDict, total=False):
    boot_vcpus: Required[Annotated[int, Limits(minimum=1)]]
    max_vcpus: Required[Annotated[int, Limits(minimum=1)]]
    topology: CpuTopology
    kvm_hyperv: bool
    max_phys_bits: int
    nested: bool
    affinity: list[CpuAffinity]
    features: CpuFeatures
    core_scheduling: CoreSchedulingMode


class MemoryZoneConfig(TypedDict, total=False):
    id: Required[str]
    size: Required[int]
    file: str
    mergeable: bool
    shared: bool
    hugepages: bool
    hugepage_size: int
    host_numa_node: int
    hotplug_size: int
    hotplugged_size: int
    prefault: bool
    reserve: Annotated[bool, Limits(since=53)]


class MemoryConfig(TypedDict, total=False):
    size: Required[int]
    hotplug_size: int
    hotplugged_size: int
    mergeable: bool
    hotplug_method: Literal["Acpi", "VirtioMem"]
    shared: bool
    hugepages: bool
    hugepage_size: int
    prefault: bool
    reserve: Annotated[bool, Limits(since=53)]
    thp: bool
    zones: list[MemoryZoneConfig]


class TokenBucket(TypedDict, total=False):
    size: Required[Annotated[int, Limits(minimum=0)]]
    one_time_burst: Annotated[int, Limits(minimum=0)]
    refill_time: Required[Annotated[int, Limits(minimum=0)]]


class RateLimiterConfig(TypedDict, total=False):
    bandwidth: TokenBucket
    ops: TokenBucket


class RateLimitGroupConfig(TypedDict, total=False):
    id: Required[str]
    rate_limiter_config: Required[RateLimiterConfig]


class VirtQueueAffinity(TypedDict, total=False):
    queue_index: Required[int]
    host_cpus: Required[list[int]]


ImageType = Literal["FixedVhd", "Qcow2", "Raw", "Vhdx", "Unknown"]


LockGranularity = Literal["ByteRange", "Full"]


class DiskConfig(TypedDict, total=False):
    path: str
    readonly: bool
    direct: bool
    iommu: bool
    num_queues: Annotated[int, Limits(minimum=1)]
    queue_size: Annotated[int, Limits(minimum=4, maximum=32768)]
    vhost_user: bool
    vhost_socket: str
    rate_limiter_config: RateLimiterConfig
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str
    serial: Annotated[str, Limits(longest=20)]
    rate_limit_group: str
    queue_affinity: list[VirtQueueAffinity]
    backing_files: Annotated[bool, Limits(since=51)]
    sparse: bool
    image_type: ImageType
    lock_granularity: Annotated[LockGranularity, Limits(since=52)]


class NetConfig(TypedDict, total=False):
    tap: Annotated[str, Limits(longest=15)]
    ip: str
    mask: str
    mac: str
    host_mac: str
    mtu: Annotated[int, Limits(minimum=1280, maximum=65535)]
    iommu: bool
    num_queues: Annotated[int, Limits(minimum=2)]
    queue_size: int
    vhost_user: bool
    vhost_socket: str
    vhost_mode: Literal["Client", "Server"]
    id: str
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    rate_limiter_config: RateLimiterConfig
    offload_tso: bool
    offload_ufo: bool
    offload_csum: bool


class RngConfig(TypedDict, total=False):
    id: str
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    iommu: bool
    src: Required[str]


class BalloonConfig(TypedDict, total=False):
    id: str
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    iommu: bool
    size: Required[int]
    deflate_on_oom: bool
    free_page_reporting: bool


class FsConfig(TypedDict, total=False):
    tag: Required[Annotated[str, Limits(longest=36)]]
    socket: Required[str]
    num_queues: int
    queue_size: int
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str


class PmemConfig(TypedDict, total=False):
    file: Required[str]
    size: int
    iommu: bool
    discard_writes: bool
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str


ConsoleMode = Literal["Off", "Pty", "Tty", "File", "Socket", "Null"]


class SerialConfig(TypedDict, total=False):
    file: str
    socket: str
    mode: Required[ConsoleMode]


class ConsoleConfig(TypedDict, total=False):
    file: str
    socket: str
    mode: Required[ConsoleMode]
    iommu: bool
    id: str
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]


class DebugConsoleConfig(TypedDict, total=False):
    file: str
    mode: Required[ConsoleMode]
    iobase: int


class DeviceConfig(TypedDict, total=False):
    path: str
    iommu: bool
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str
    x_nv_gpudirect_clique: int
    x_exclude_mmap_bars: list[int]


class UserDeviceConfig(TypedDict, total=False):
    socket: Required[str]
    id: str
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]


class VdpaConfig(TypedDict, total=False):
    path: Required[str]
    num_queues: int
    iommu: bool
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str


class VsockConfig(TypedDict, total=False):
    cid: Required[Annotated[int, Limits(minimum=3, maximum=4294967294)]]
    socket: Required[str]
    iommu: bool
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    id: str


class NumaDistance(TypedDict, total=False):
    destination: Required[int]
    distance: Required[int]


class NumaConfig(TypedDict, total=False):
    guest_numa_id: Required[int]
    cpus: list[int]
    distances: list[NumaDistance]
    memory_zones: list[str]
    pci_segments: list[int]
    device_id: str


class RtcConfig(TypedDict, total=False):
    id: str
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    iommu: bool


class PciSegmentConfig(TypedDict, total=False):
    pci_segment: Required[int]
    mmio32_aperture_weight: int
    mmio64_aperture_weight: int


class PlatformConfig(TypedDict, total=False):
    num_pci_segments: int
    iommu_segments: list[int]
    iommu_address_width_bits: int
    system_serial_number: str
    serial_number: str
    system_uuid: str
    uuid: str
    oem_strings: list[str]
    system_manufacturer: str
    system_product_name: str
    system_version: str
    system_family: str
    system_sku_number: str
    chassis_asset_tag: str
    tdx: bool
    sev_snp: bool
    iommufd: bool
    vfio_p2p_dma: bool


class TpmConfig(TypedDict, total=False):
    socket: Required[str]


class LandlockConfig(TypedDict, total=False):
    path: Required[str]
    access: Required[str]


class GenericVhostUserConfig(TypedDict, total=False):
    socket: Required[str]
    queue_sizes: Required[list[int]]
    pci_segment: int
    pci_device_id: Annotated[int, Limits(since=52)]
    device_type: Required[int]
    id: str


class VmConfig(TypedDict, total=False):
    cpus: CpusConfig
    memory: MemoryConfig
    payload: Required[PayloadConfig]
    rate_limit_groups: list[RateLimitGroupConfig]
    disks: list[DiskConfig]
    net: list[NetConfig]
    rng: RngConfig
    balloon: BalloonConfig
    fs: list[FsConfig]
    pmem: list[PmemConfig]
    serial: SerialConfig
    console: ConsoleConfig
    debug_console: DebugConsoleConfig
    devices: list[DeviceConfig]
    user_devices: list[UserDeviceConfig]
    vdpa: list[VdpaConfig]
    vsock: VsockConfig
    numa: list[NumaConfig]
    iommu: bool
    watchdog: bool
    rtc: RtcConfig
    pvpanic: bool
    pci_segments: list[PciSegmentConfig]
    platform: PlatformConfig
    tpm: TpmConfig
    landlock_enable: bool
    landlock_rules: list[LandlockConfig]
    generic_vhost_user: list[GenericVhostUserConfig]
