"""What a VM says, with what it does not say taken from its size, its image and the defaults.

The nearer word wins: the VM itself, then the size it names, then what its image brings, then `defaults`; a size that `defaults` names
comes after what `defaults` says beside it. Mappings are merged key by key, lists are not: a VM that names its networks means exactly those.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from herocloud.kits import shared_values
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.tree import Path
from herocloud.stack.findings import Findings

_WHOLE = ("user_data",)
"""Mappings of which one key excludes the other: they are taken over as a whole."""

_LENT = frozenset({"vcpus", "memory", "slices", "cpu", "memory_options", "root_disk"})
"""What sizes and images bring; the rest is certain even where the size is not known."""

Fields = Mapping[str, Any]


class Layer(NamedTuple):
    """One source of values; `fields` is nothing when it is not known what it would say."""

    path: Path
    fields: Fields | None


class View(NamedTuple):
    """One VM of the file, or one instance of it where the instances differ."""

    name: str
    number: int | None
    """Set only where the instances differ: then there is a view for each."""
    many: int | None
    """The `count`; nothing for a VM without one."""
    fields: Fields
    layers: tuple[Layer, ...]

    @property
    def address(self) -> str:
        """Return how messages call it."""
        return f"vm.{self.name}" if self.number is None else f"vm.{self.name}[{self.number}]"

    def where(self, *keys: str | int) -> Path:
        """Return the path of a value: in the nearest layer that says it."""
        for layer in self.layers:
            if layer.fields is not None and _has(layer.fields, keys):
                return (*layer.path, *keys)
        return self.layers[0].path

    def knows(self, findings: Findings, *keys: str | int) -> bool:
        """Return whether the value (or its absence) is certain, which it is not below a mistake."""
        for layer in self.layers:
            if layer.fields is None:
                if keys[0] in _LENT:
                    return False
                continue
            if not findings.knows(*layer.path, *keys):
                return False
            if _has(layer.fields, keys):
                return True
        return True


def _has(fields: Any, keys: tuple[str | int, ...]) -> bool:
    for key in keys:
        if isinstance(fields, Mapping):
            if key not in fields:
                return False
        elif not (isinstance(fields, list) and isinstance(key, int) and key < len(fields)):
            return False
        fields = fields[key]
    return True


def make_views(
    data: Fields,
    instances: Mapping[str, list[Fields]],
    images: Mapping[str, str],
) -> Iterator[View]:
    """Yield the views of all VMs; `instances` holds those whose instances differ, `images` the name behind every alias."""
    defaults = data.get("defaults") or {}
    sizes = data.get("sizes") or {}
    presets = {name: image["defaults"] for name, image in (data.get("images") or {}).items() if "defaults" in image}
    known: shared_values.MadeOnce[tuple[Fields, tuple[Layer, ...]]] = shared_values.MadeOnce()
    for name, own in (data.get("vms") or {}).items():
        many = own.get("count")
        if name in instances:
            for number, one in enumerate(instances[name]):
                layers = _layers(("vms", name), one, defaults, sizes, presets, images)
                yield View(name, number, many, _merge_layers(layers), layers)
        else:
            # VMs that are written alike have the same fields, and differ only in where they stand.
            shared = known.find(own)
            if shared is None:
                layers = _layers(("vms", name), own, defaults, sizes, presets, images)
                shared = known.keep(own, (_merge_layers(layers), layers[1:]))
            fields, under = shared
            yield View(name, None, many, fields, (Layer(("vms", name), own), *under))


def _layers(path: Path, own: Fields, defaults: Fields, sizes: Fields, presets: Fields, images: Mapping[str, str]) -> tuple[Layer, ...]:
    layers = [Layer(path, own)]
    if "size" in own:
        layers.append(Layer(("sizes", own["size"]), sizes.get(own["size"])))
    image = own.get("image", defaults.get("image"))
    if image is not None and image not in images:
        layers.append(Layer(("images", image), None))
    elif image is not None and images[image] in presets:
        layers.append(Layer(("images", images[image], "defaults"), presets[images[image]]))
    layers.append(Layer(("defaults",), defaults))
    if "size" not in own and "size" in defaults:
        layers.append(Layer(("sizes", defaults["size"]), sizes.get(defaults["size"])))
    return tuple(layers)


def _merge_layers(layers: tuple[Layer, ...]) -> Fields:
    merged: Fields = layers[0].fields or {}
    for layer in layers[1:]:
        if layer.fields:
            merged = merge(layer.fields, merged)
    return merged


def merge(under: Fields, over: Fields) -> Fields:
    """Return what both say, with the word of `over` where they differ."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and key not in _WHOLE:
            result[key] = {**below, **value} if key == "secrets" else merge(below, value)
        else:
            result[key] = value
    if "slice" in over:
        result.pop("slices", None)
    return result
