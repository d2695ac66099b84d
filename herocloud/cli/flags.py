"""The flags, in groups that commands share; `command` puts the groups of a command together.

A group is a named tuple whose fields carry their flags, so that a flag is declared once, with its help, its environment variable and its
default, and every command that has it has the same. `typer_tree` makes Typer's options out of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from herocloud.kits.named_tuples import NamedTuple


class Flag(NamedTuple):
    """A flag as it is declared."""

    names: tuple[str, ...]
    variable: str
    """The environment variable; empty when there is none."""
    help: str
    more: Mapping[str, Any]
    """What else Typer takes: metavar, min, max, count."""
    also: tuple[str, ...] = ()
    """Other spellings, which `command_words` replaces: Typer could not have them beside a global flag of the same name."""


class Argument(NamedTuple):
    """A word without a flag."""

    help: str
    more: Mapping[str, Any]


def option(*names: str, variable: str | None = None, help: str, also: tuple[str, ...] = (), **more: Any) -> Flag:  # noqa: A002  (Typer's own word)
    """Declare an option; its environment variable is `HEROCLOUD_` and its first long name unless told otherwise, none for an empty text."""
    if variable is None:
        long = next(name for name in names[0].split("/")[0:1] if name.startswith("--"))
        variable = "HEROCLOUD_" + long[2:].upper().replace("-", "_")
    return Flag(names, variable, help, more, also)


def switch(name: str, *shorts: str, help: str, **more: Any) -> Flag:  # noqa: A002  (Typer's own word)
    """Declare a flag without a value and without an opposite."""
    return option(name, *shorts, help=help, **more)


def argument(*, help: str, **more: Any) -> Argument:  # noqa: A002  (Typer's own word)
    """Declare a word that stands for itself."""
    return Argument(help, more)


LockTimeout = Annotated[
    str, option("--lock-timeout", metavar="TIME", help="How long to wait for the lock: 30s, 5min, or a number of seconds; 30s.")
]


class Everywhere(NamedTuple):
    """Accepted by every command, before it and behind it."""

    data_dir: Annotated[
        Path | None, option("--data-dir", metavar="DIR", help="Folder of the state; root's default is /var/lib/herocloud.")
    ] = None
    chdir: Annotated[Path | None, option("--chdir", metavar="DIR", help="Work in this folder.")] = None
    file: Annotated[
        list[Path] | None, option("--file", "-f", metavar="STACK", help="Stack file, repeatable; `-` is stdin, the default is stack.yaml.")
    ] = None
    json: Annotated[bool, switch("--json", help="Print JSON.")] = False
    no_color: Annotated[bool, switch("--no-color", help="Print without colour; NO_COLOR does the same.")] = False
    quiet: Annotated[bool, switch("--quiet", "-q", help="No progress and no notes.")] = False
    verbose: Annotated[int, option("--verbose", "-v", count=True, help="Print more on stderr.")] = 0


class Variables(NamedTuple):
    """Values for the variables of a stack."""

    var: Annotated[list[str] | None, option("--var", variable="", metavar="K=V", help="Value of a variable, repeatable.")] = None
    var_file: Annotated[list[Path] | None, option("--var-file", metavar="FILE", help="YAML file with values, repeatable.")] = None


class Planning(NamedTuple):
    """What to plan."""

    target: Annotated[list[str] | None, option("--target", metavar="ADDR", help="Only this address and what it needs, repeatable.")] = None
    exclude: Annotated[
        list[str] | None, option("--exclude", metavar="ADDR", help="Leave this address and what needs it out, repeatable.")
    ] = None
    replace: Annotated[list[str] | None, option("--replace", metavar="ADDR", help="Force re-creation of this VM (repeatable).")] = None
    refresh: Annotated[bool, option("--refresh/--no-refresh", help="Look at the world, or trust the records.")] = True
    hypervisor: Annotated[
        str | None, option("--hypervisor", metavar="NAME", help="Run every VM on this hypervisor, whatever the file says.")
    ] = None
    purge: Annotated[bool, switch("--purge", help="Remove deleted data at once instead of keeping it for a time.")] = False


class Approving(NamedTuple):
    """What is approved without asking."""

    auto_approve: Annotated[bool, switch("--auto-approve", "--yes", "-y", help="Approve everything without asking.")] = False
    approve: Annotated[
        list[str] | None,
        option("--approve", metavar="CLASSES", help="Approve these: create, update, stop, reboot, replace, destroy (commas, repeatable)."),
    ] = None
    input: Annotated[bool, option("--input/--no-input", help="Whether questions may be asked; never without a terminal.")] = True


class NeverAsking(NamedTuple):
    """For commands that ask nothing: scripts that approve everything may say so to these too."""

    auto_approve: Annotated[bool, switch("--auto-approve", "--yes", "-y", help="Taken as elsewhere; this command asks nothing.")] = False


class Executing(NamedTuple):
    """How to run steps."""

    parallelism: Annotated[int, option("--parallelism", metavar="N", min=1, max=1000, help="Steps that run at once; 10.")] = 10
    lock_timeout: LockTimeout = "30s"
    on_failure: Annotated[
        Literal["stop", "continue", "rollback"] | None,
        option("--on-failure", help="After a failed step: begin no change but what begun ones wait for, go on elsewhere, or take back."),
    ] = None
    accelerator: Annotated[
        str | None,
        option(
            "--accelerator",
            metavar="NAME",
            help="What guests run on under QEMU: what was proven (auto), the processor itself (kvm), or emulation (tcg).",
        ),
    ] = None


class Exports(NamedTuple):
    """Views that go to files beside what is printed."""

    md: Annotated[Path | None, option("--md", metavar="FILE", help="Write Markdown.")] = None
    html: Annotated[Path | None, option("--html", metavar="FILE", help="Write an HTML page.")] = None
    junit: Annotated[Path | None, option("--junit", metavar="FILE", help="Write JUnit XML.")] = None
    sarif: Annotated[Path | None, option("--sarif", metavar="FILE", help="Write the findings as SARIF.")] = None
    json_into: Annotated[Path | None, option("--json-into", metavar="FILE", help="Write the JSON beside the human view.")] = None
    max_bytes: Annotated[int, option("--max-bytes", metavar="N", min=1000, help="Maximum Markdown size in bytes (default 60000).")] = 60_000


Detailed = Annotated[bool, switch("--detailed-exitcode", help="Exit 2 when there are changes.")]
Stack = Annotated[
    str | None, option("--stack", variable="HEROCLOUD_STACK", metavar="NAME", help="The stack; by default the one of the stack file here.")
]

Rehearse = Annotated[
    bool,
    switch("--rehearse", help="Run against a simulated copy of the world, prove that nothing is left to do, and change nothing."),
]
