"""`image build`: images for the stack file, out of Debian packages."""

from pathlib import Path
from typing import Annotated, Literal

from herocloud.cli import exit_codes, flags, presentation
from herocloud.cli.command import BadValue, Call
from herocloud.cli.image_progress import Teller
from herocloud.operations import images as operation
from herocloud.operations.images import Built

WHAT = Annotated[
    Literal["tiny", "debian"],
    flags.argument(metavar="tiny|debian", help="A kernel with a small initramfs, or a Debian on a disk.", show_default=False),
]


def build(
    call: Call,
    *,
    what: WHAT,
    out: Annotated[Path | None, flags.option("--out", variable="", metavar="DIR", help="Put it into this folder.")] = None,
    release: Annotated[
        str | None, flags.option("--release", variable="", metavar="NAME", help="Release of a Debian image, such as bookworm.")
    ] = None,
    again: Annotated[bool, flags.switch("--again", variable="", help="Build again, with the packages of today.")] = False,
) -> int:
    """Build an image out of Debian packages.

    Prints the lines that a stack file needs to use it.
    """
    if release is not None and what != "debian":
        raise BadValue("this is for `image build debian` only", "--release")
    with Teller(call) as teller:
        said = teller.about("")

        def tell(text: str) -> None:
            said(text, None)

        if what == "tiny":
            built = operation.build_tiny(call.folder, out, tell, again=again)
        else:
            built = operation.build_debian(call.folder, out, tell, release=release, again=again)
    call.note(f"Built `{built.name}` ({built.release}). For the stack file:")
    presentation.show(call, lambda: _document(built), lambda: _lines(built))
    return exit_codes.DONE


def _document(built: Built) -> dict[str, object]:
    image = {key: value == "true" if key == "nocloud" else value for key, value in built.lines}
    return {"format_version": presentation.FORMAT_VERSION, "release": built.release, "images": {built.name: image}}


def _lines(built: Built) -> str:
    return "\n".join(["images:", f"  {built.name}:", *(f"    {key}: {_scalar(value)}" for key, value in built.lines)])


def _scalar(value: str) -> str:
    """Write a value for YAML; a path may hold anything, and JSON's quotes are YAML's too."""
    import json
    import re

    return value if re.fullmatch(r"[A-Za-z0-9./][A-Za-z0-9./_=, -]*", value) else json.dumps(value, ensure_ascii=False)
