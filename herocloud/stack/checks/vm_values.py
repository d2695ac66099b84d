"""VMs: what their values say together, and what they take from one another."""

from collections.abc import Iterable

from herocloud.kits import sizes
from herocloud.model import overlay_seeds
from herocloud.model.hosts import SLICE_MEMORY, Host
from herocloud.stack.findings import Findings
from herocloud.stack.layers import View
from herocloud.stack.names import Names

PAGE = 4096
SMALLEST_MEMORY = 16 * sizes.MIB
"""Below this no kernel gets to its first line; a smaller number usually lacks a letter of the unit."""


def check_views(views: Iterable[View], names: Names, host: Host | None, findings: Findings, *, overlay_is_off: bool) -> None:
    """Check every VM by itself."""
    for view in views:
        fields = view.fields
        if "slices" in fields or "slice" in fields:
            _check_slices(view, findings)
        if fields.get("memory", SMALLEST_MEMORY) < SMALLEST_MEMORY and view.knows(findings, "memory"):
            detail = f"{sizes.format_size(fields['memory'])} is less than any system needs to start."
            findings.add("out-of-range", view.where("memory"), detail, "write at least 16 MiB")
        if (fields.get("memory_options") or {}).get("balloon"):
            _check_balloon(view, findings)
        if "cpu" in fields:
            _check_cpu(view, findings)
            if host is not None:
                _check_processors(view, host, findings)
        for key, name in (("networks", "network"), ("volumes", "volume")):
            if len(fields.get(key) or ()) > 1:
                _check_attached(view, key, name, findings)
        if len(fields.get("shares") or ()) > 1:
            _check_tags(view, findings)
        if overlay_is_off and fields.get("mycelium", False) is not False:
            findings.add(
                "overlay-off",
                view.where("mycelium"),
                f"`{view.name}` wants an address, and `mycelium.addresses` is false.",
                "set `addresses: true`, or leave `mycelium` out here",
                on_key=True,
            )
    _check_writers(views, names, findings)
    _check_pins(views, host, findings)
    _check_seeds(views, findings)


def _check_slices(view: View, findings: Findings) -> None:
    own = view.layers[0].fields or {}
    pins = view.fields.get("slice")
    both = "slice" in own and "slices" in own
    if both:
        detail = f"`{view.name}` names its slices, and says how many."
        findings.add("slices-and-pins", ("vms", view.name, "slices"), detail, "keep `slice` or `slices`", on_key=True)
    if pins == [] and not findings.pruned.gone_from(view.where("slice")):
        findings.add("out-of-range", view.where("slice"), "`slice` names no slice.", "name one, like `s1`, or leave `slice` out")
        return
    if "memory" not in view.fields or not all(view.knows(findings, key) for key in ("memory", "slices" if pins is None else "slice")):
        return
    # A slice id that was refused counts all the same.
    number = view.fields["slices"] if pins is None else len(pins) + findings.pruned.gone_from(view.where("slice"))
    if both:
        number = max(number, own["slices"])
    memory = view.fields["memory"]
    if memory > number * SLICE_MEMORY:
        near = next((key for key in ("memory", "slices", "slice") if key in own), "memory")
        needed = -(-memory // SLICE_MEMORY)
        noun = "slice has" if number == 1 else "slices have"
        detail = f"{sizes.format_size(memory)} is more than {number} {noun}: {sizes.format_size(number * SLICE_MEMORY)}."
        findings.add("memory-over-slices", view.where(near), detail, f"take {needed} slices, or less memory", on_key=near != "memory")


def _check_balloon(view: View, findings: Findings) -> None:
    """Check what a guest is to give back: whole pages, fewer than it has."""
    fields = view.fields
    balloon, path = fields["memory_options"]["balloon"], view.where("memory_options", "balloon")
    if balloon % PAGE:
        detail = f"A guest gives whole pages of memory back, and {sizes.format_size(balloon)} would cut one."
        findings.add("out-of-range", path, detail, "write a multiple of 4 KiB")
    if fields["memory_options"].get("hugepages") and view.knows(findings, "memory_options", "hugepages"):
        detail = "A guest gives small pages back, and a huge page stays its VM's as long as one part of it is in use."
        findings.add("balloon-in-huge-pages", path, detail, "leave `balloon` out, or set `hugepages: false`")
    if not all(view.knows(findings, key) for key in (("memory",) if "memory" in fields else ("memory", "slice", "slices"))):
        return
    slices = len(fields.get("slice") or ()) or fields.get("slices") or 1
    memory = fields.get("memory") or SLICE_MEMORY * slices
    if balloon >= memory:
        detail = f"The VM has {sizes.format_size(memory)}, and cannot give {sizes.format_size(balloon)} of it back."
        findings.add("balloon-over-memory", path, detail, f"write less than {sizes.format_size(memory)}")


def _check_cpu(view: View, findings: Findings) -> None:
    cpu = view.fields["cpu"]
    vcpus = view.fields.get("vcpus", 1)
    topology = cpu.get("topology")
    product = 0
    if topology is not None and findings.knows_within(*view.where("cpu", "topology")):
        product = topology.get("threads", 1) * topology.get("cores", 1) * topology.get("dies", 1) * topology.get("packages", 1)
    most = cpu.get("max", max(product, vcpus))
    certain = view.knows(findings, "vcpus") and view.knows(findings, "cpu", "max")
    if certain and most < vcpus:
        # What `max` should be is unknown from here on, and with it what fits to it.
        certain = False
        hint = f"set `max` to {vcpus} or more"
        findings.add("too-few-vcpus", view.where("cpu", "max"), f"`max` is {most}, and the VM starts with {vcpus}.", hint)
    # The planner repeats packages of this shape until `max` is reached; without `max` the product is the maximum.
    if certain and product and (most % product if "max" in cpu else product < vcpus):
        says = f"does not divide `max`, {most}" if "max" in cpu else f"is below `vcpus`, {vcpus}"
        detail = f"The product of threads, cores, dies and packages is {product}, which {says}."
        findings.add("bad-topology", view.where("cpu", "topology"), detail, f"make the product {most}", on_key=True)
    for number, processors in enumerate(cpu.get("affinity") or ()):
        path = view.where("cpu", "affinity", number)
        if certain and number >= most:
            findings.add(
                "bad-affinity", path, f"This is list {number + 1}, and there are at most {most} vCPUs.", "write one list for each vCPU"
            )
            break
        if not processors and findings.knows_within(*path):
            findings.add("bad-affinity", path, f"vCPU {number} may run nowhere.", "name at least one processor of the host")


def _check_processors(view: View, host: Host, findings: Findings) -> None:
    lists = view.fields["cpu"].get("affinity") or ()
    beyond = [(number, place, one) for number, inner in enumerate(lists) for place, one in enumerate(inner) if one >= host.cpus]
    if beyond:
        number, place, _one = beyond[0]
        listed = _list(dict.fromkeys(str(one) for _number, _place, one in beyond))
        path = view.where("cpu", "affinity", number, place)
        noun = "processors" if len(beyond) > 1 else "processor"
        findings.add(
            "unknown-processor", path, f"The host `{host.name}` has no {noun} {listed}.", f"its processors are 0 to {host.cpus - 1}"
        )


def _list(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _check_attached(view: View, key: str, name: str, findings: Findings) -> None:
    seen: set[str] = set()
    for number, use in enumerate(view.fields[key]):
        target = use.get(name)
        if target in seen:
            findings.add("attached-twice", view.where(key, number, name), f"`{view.name}` has `{target}` already.", "remove one of them")
        if target is not None:
            seen.add(target)


def _check_tags(view: View, findings: Findings) -> None:
    seen: set[str] = set()
    for number, share in enumerate(view.fields["shares"]):
        tag = share.get("tag")
        if tag in seen:
            findings.add(
                "tag-twice",
                view.where("shares", number, "tag"),
                f"`{view.name}` has a share with the tag `{tag}` already.",
                "choose another tag",
            )
        if tag is not None:
            seen.add(tag)


def _times(view: View, findings: Findings) -> int:
    """Return how many VMs a view stands for; one where that is not known."""
    if view.number is not None or view.many is None or not findings.knows("vms", view.name, "count"):
        return 1
    return view.many


def _check_writers(views: Iterable[View], names: Names, findings: Findings) -> None:
    writers: dict[str, str] = {}
    for view in views:
        uses = view.fields.get("volumes")
        if not uses:
            continue
        inside: set[str] = set()
        for number, use in enumerate(uses):
            volume = use.get("volume")
            if (
                volume not in names.volumes
                or volume in inside
                or use.get("readonly")
                or not findings.knows(*view.where("volumes", number), "readonly")
            ):
                continue
            times = _times(view, findings)
            if times == 0:
                continue
            inside.add(volume)
            path = view.where("volumes", number, "volume")
            if volume in writers:
                detail = f"`{writers[volume]}` already writes to `{volume}`; two writers destroy a file system."
                findings.add("volume-shared", path, detail, "set `readonly: true` on all but one")
            elif times > 1:
                detail = f"All {times} of `{view.name}` would write to `{volume}`; two writers destroy a file system."
                findings.add("volume-shared", path, detail, "set `readonly: true`, or give each a volume of its own")
            writers.setdefault(volume, view.address)


def _check_pins(views: Iterable[View], host: Host | None, findings: Findings) -> None:
    pinned: dict[str, str] = {}
    there = None if host is None else {host_slice.sid for host_slice in host.slices}
    for view in views:
        pins = view.fields.get("slice")
        if not pins:
            continue
        taken: list[tuple[int, str]] = []
        unknown: list[tuple[int, str]] = []
        inside: set[str] = set()
        for number, sid in enumerate(pins):
            if there is not None and sid not in there:
                unknown.append((number, sid))
            elif sid in inside or sid in pinned:
                taken.append((number, sid))
            inside.add(sid)
        if unknown:
            listed = _list(f"`{sid}`" for _number, sid in unknown)
            path = view.where("slice", unknown[0][0])
            findings.add("unknown-slice", path, f"The host has no slice{'s' if len(unknown) > 1 else ''} {listed}.", _slices_hint(host))
        if taken:
            number, sid = taken[0]
            verb = "is" if len(taken) == 1 else "are"
            detail = f"{_list(f'`{one}`' for _number, one in taken)} {verb} pinned by `{pinned.get(sid, view.address)}` already."
            findings.add("slice-twice", view.where("slice", number), detail, "a slice belongs to one VM; pin another one")
        elif _times(view, findings) > 1:
            detail = f"All {view.many} of `{view.name}` would use the same slices."
            findings.add("slice-twice", view.where("slice"), detail, "use `slices`, or `{{ index }}` in the slice id")
        for sid in inside:
            pinned.setdefault(sid, view.address)


def _slices_hint(host: Host | None) -> str | None:
    if host is None or not host.slices:
        return "this host has no slices; `herocloud host show` shows why"
    return (
        f"its slices are `{host.slices[0].sid}` to `{host.slices[-1].sid}`"
        if len(host.slices) > 1
        else f"its only slice is `{host.slices[0].sid}`"
    )


def _check_seeds(views: Iterable[View], findings: Findings) -> None:
    owners: dict[str, str] = {}
    for view in views:
        overlay = view.fields.get("mycelium", False)
        seed = overlay.get("seed") if overlay else None
        if seed is None:
            continue
        seed = overlay_seeds.parse(seed)
        if seed in owners:
            findings.add(
                "seed-twice",
                view.where("mycelium", "seed"),
                f"`{owners[seed]}` has this seed already, and both would get one address.",
                "choose another seed",
            )
        elif _times(view, findings) > 1:
            findings.add(
                "seed-twice",
                view.where("mycelium", "seed"),
                f"All {view.many} of `{view.name}` would get one address.",
                "use `{{ index }}` in the seed, or `mycelium: true`",
            )
        owners.setdefault(seed, view.address)
