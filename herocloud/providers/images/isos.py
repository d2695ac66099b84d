"""The disk that carries a seed: an ISO 9660 image with the label that cloud-init looks for.

The one module that knows pycdlib. Rock Ridge for Linux, Joliet beside it for readers that know only that. The image is put together in
memory, because what is in it may be secret and a temporary file of a program would lie where anybody can open it.
"""

import io
from collections.abc import Mapping

LABEL = "cidata"
_MODE = 0o100400
"""Readable by the guest's root alone; whoever may mount disks in the guest is root anyway."""


def make_iso(contents: Mapping[str, bytes]) -> bytes:
    """Return an ISO image with these files in its root."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    try:
        for number, (name, content) in enumerate(contents.items()):
            # The plain name is for nobody; eight letters and a number are what every level of ISO 9660 allows.
            iso.add_fp(io.BytesIO(content), len(content), f"/SEED{number:04d}.;1", rr_name=name, joliet_path=f"/{name}", file_mode=_MODE)
        out = io.BytesIO()
        iso.write_fp(out)
    finally:
        iso.close()
    return out.getvalue()
