"""From a stack without mistakes to the resources of a plan.

Specs are complete: every key is there, with `None` for what the plan decides. Instances that do not differ share one spec, and so do VMs
that are written alike, which is what keeps ten thousand of them cheap; nobody changes a spec after it is made.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from herocloud.kits import shared_values
from herocloud.kits.jsons import Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path
from herocloud.model import overlays
from herocloud.model.diagnostics import Place
from herocloud.model.ids import Address, make_address
from herocloud.model.worlds import Resource
from herocloud.stack import expressions, instances, overlay_specs
from herocloud.stack.layers import Fields, View

_BESIDE = frozenset({"shares", "user_data", "secrets"})
"""What may name files: those lie beside the file that says so, which is not the same for VMs of two files."""
_TOPOLOGY = ("threads", "cores", "dies", "packages")


class Outside(NamedTuple):
    """What the files beside the stack and the environment bring in; gathered by `checks.outside`."""

    texts: Mapping[str, str]
    """The content of user data files, by absolute path."""
    digests: Mapping[tuple[str, str], str | None]
    """The keyed digest of every secret, by (`env` or `file`, name)."""


class Expansion(NamedTuple):
    """What the parts below need to know."""

    data: Fields
    images: Mapping[str, str]
    """The name of an image by its name or alias."""
    folder_of: Callable[[Path], str]
    outside: Outside
    place_of: Callable[[Path], Place | None]

    def spell_out(self, value: Any) -> Any:
        """Write how many instances `[*]` stands for."""
        vms = self.data.get("vms") or {}
        return expressions.spell_out(value, lambda name: vms.get(name, {}).get("count"))


def expand(work: Expansion, views: Iterable[View]) -> Iterator[Resource]:
    """Yield all resources: what others need comes first, file order within each kind."""
    data = work.data
    for name, image in (data.get("images") or {}).items():
        yield _resource(work, "image", "images", name, image_spec(work, name, image))
    for name, network in (data.get("networks") or {}).items():
        yield _resource(work, "network", "networks", name, network_spec(network))
    listed = list(views)
    overlay = data.get("mycelium")
    # In mode `guest` the daemons and their peers are inside the VMs, and this host has no part in it.
    wanted = overlay is not None or any(view.fields.get("mycelium", False) is not False for view in listed)
    if wanted and not overlay_specs.is_inside(data):
        overlay = overlay or {}
        spec = overlay_specs.node_spec(data, work.folder_of(("mycelium", "key")))
        yield Resource(overlays.NODE, "mycelium", "node", None, spec, place=work.place_of(("mycelium",)))
        for number, peer in enumerate(overlay.get("peers") or ()):
            yield Resource(
                Address(f"peer.{peer}"),
                "peer",
                peer,
                None,
                {"endpoint": peer},
                (overlays.NODE,),
                place=work.place_of(("mycelium", "peers", number)),
            )
    for name, volume in (data.get("volumes") or {}).items():
        yield _resource(work, "volume", "volumes", name, {"size": volume["size"]}, protect=volume.get("protect", False))
    yield from _expand_vms(work, listed)


def _resource(work: Expansion, kind: str, section: str, name: str, spec: Spec, *, protect: bool = False) -> Resource:
    return Resource(make_address(kind, name), kind, name, None, spec, (), protect, work.place_of((section, name)))


def _expand_vms(work: Expansion, views: list[View]) -> Iterator[Resource]:
    targets = instances.Targets(views)
    known: shared_values.MadeOnce[Spec] = shared_values.MadeOnce()
    for view in views:
        spec = known.find(view.fields) or vm_spec(work, view)
        if not _BESIDE & view.fields.keys():
            known.keep(view.fields, spec)
        needs = targets.needs(view, spec)
        protect = view.fields.get("protect", False)
        place = work.place_of(("vms", view.name))
        if view.many is None:
            numbers: Iterable[int | None] = (None,)
        else:
            numbers = range(view.many) if view.number is None else (view.number,)
        provider = spec["hypervisor"]
        together = (view.fields.get("update") or {}).get("max_unavailable", "1")
        for number in numbers:
            address = make_address("vm", view.name, number)
            yield Resource(address, "vm", view.name, number, spec, needs, protect, place, provider, max_unavailable=together)


def absolute(path: str, folder: str) -> str:
    """Return a path of the file as an absolute one; `~` is the home folder."""
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))  # noqa: PTH111, PTH118 - texts in, texts out.


def source_url(source: str, folder: str) -> str:
    """Return a URL as it is, and a path as an absolute one."""
    if source.startswith(("https://", "http://")):
        return source
    return absolute(source.removeprefix("file://"), folder)


def image_spec(work: Expansion, name: str, image: Fields) -> Spec:
    """Return the spec of an image."""
    folder = work.folder_of(("images", name))
    source, kernel, initramfs = image.get("source"), image.get("kernel"), image.get("initramfs")
    digest = image.get("sha256")
    return {
        "source": None if source is None else source_url(source, folder),
        "sha256": None if digest is None else digest.lower(),
        "unpinned": image.get("unpinned", False),
        "decompress": image.get("decompress", "none"),
        "format": image.get("format"),
        "nocloud": image.get("nocloud", source is not None),
        "aliases": image.get("aliases", []),
        "kernel": None if kernel is None else absolute(kernel, folder),
        "initramfs": None if initramfs is None else absolute(initramfs, folder),
        "cmdline": image.get("cmdline"),
    }


def network_spec(network: Fields) -> Spec:
    """Return the spec of a network."""
    forwards = [
        {
            "host_port": forward["host_port"],
            "vm": instances.full_address(forward["vm"]),
            "port": forward["port"],
            "protocol": forward.get("protocol", "tcp"),
        }
        for forward in network.get("forward", ())
    ]
    spec = {"cidr": network["cidr"], "nat": network.get("nat", False), "isolated": network.get("isolated", False), "forward": forwards}
    # Left out where nobody chose: what `auto` came to is known by the provider that made the network.
    return {**spec, "mode": network["mode"]} if network.get("mode", "auto") != "auto" else spec


def vm_spec(work: Expansion, view: View) -> Spec:
    """Return the spec of a VM, or of one instance."""
    fields = view.fields
    image = work.images[fields["image"]]
    overlay = fields.get("mycelium", False)
    return {
        "hypervisor": fields.get("hypervisor", "auto"),
        "image": image,
        "slices": fields.get("slices"),
        "slice": fields.get("slice"),
        "vcpus": fields.get("vcpus", 1),
        "memory": fields.get("memory"),
        "cpu": _cpu(fields["cpu"]) if "cpu" in fields else _NO_CPU,
        "memory_options": _memory_options(fields["memory_options"]) if "memory_options" in fields else _NO_OPTIONS,
        "root_disk": _root_disk(fields.get("root_disk"), has_image="source" in work.data["images"][image]),
        "volumes": [{"volume": use["volume"], "readonly": use.get("readonly", False)} for use in fields.get("volumes", ())],
        "shares": [
            {"path": absolute(share["path"], _folder(work, view, "shares")), "tag": share["tag"]} for share in fields.get("shares", ())
        ],
        "networks": [
            {"network": use["network"], "rate": _limits(use.get("rate"), ("download", "upload"))} for use in fields.get("networks", ())
        ],
        "mycelium": None if overlay is False else overlay_specs.use_spec(work.data, overlay),
        "ssh_keys": fields.get("ssh_keys", []),
        "user_data": _user_data(work, view),
        "env": work.spell_out(fields.get("env", {})),
        "labels": work.spell_out(fields.get("labels", {})),
        "secrets": {name: _secret(work, view, name, secret) for name, secret in (fields.get("secrets") or {}).items()},
        "restart": fields.get("restart", "no"),
        "state": fields.get("state", "running"),
        **({"snapshots": _snapshots(fields["snapshots"])} if fields.get("snapshots") else {}),
    }


def _folder(work: Expansion, view: View, *keys: str) -> str:
    return work.folder_of(view.where(*keys))


# What most VMs leave at its default is one object for all of them: a third of the memory of a spec.
_NO_CPU: Spec = {"max": None, "affinity": None, "topology": None}
_NO_OPTIONS: Spec = {"hugepages": False, "mergeable": False, "hotplug": None}


def _memory_options(options: Fields) -> Spec:
    spec = {key: options.get(key, default) for key, default in _NO_OPTIONS.items()}
    # Absent where they are at their default, as in records from before there were these.
    if options.get("balloon"):
        spec["balloon"] = options["balloon"]
    if options.get("thp") is False:
        spec["thp"] = False
    return spec


def _cpu(cpu: Fields) -> Spec:
    topology = cpu.get("topology")
    if topology is not None:
        topology = {key: topology.get(key, 1) for key in _TOPOLOGY}
    return {"max": cpu.get("max"), "affinity": cpu.get("affinity"), "topology": topology}


def _root_disk(disk: Fields | None, *, has_image: bool) -> Spec | None:
    if disk is None and not has_image:
        return None
    disk = disk or {}
    return {
        "size": disk.get("size"),
        "direct": disk.get("direct", False),
        "rate": _limits(disk.get("rate"), ("bandwidth", "burst", "iops")),
    }


def _snapshots(fields: Fields) -> Spec:
    return {"keep": fields["keep"], "every": fields["every"], "memory": fields.get("memory", False)}


def _limits(rate: Fields | None, keys: tuple[str, ...]) -> Spec | None:
    return {key: rate.get(key) for key in keys} if rate else None


def _user_data(work: Expansion, view: View) -> str | None:
    data = view.fields.get("user_data")
    if not data:
        return None
    if "file" in data:
        return work.outside.texts[absolute(data["file"], _folder(work, view, "user_data", "file"))]
    text: str = work.spell_out(data["text"])
    return text


def _secret(work: Expansion, view: View, name: str, secret: Fields) -> Spec:
    if "env" in secret:
        return {"env": secret["env"], "digest": work.outside.digests["env", secret["env"]]}
    path = absolute(secret["file"], _folder(work, view, "secrets", name, "file"))
    return {"file": path, "digest": work.outside.digests["file", path]}
