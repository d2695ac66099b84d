"""Which commands there are, in which module each lives, and the line that help shows for it.

One table instead of decorators that register on import: the list of commands is needed for `--help`, completion and suggestions,
and importing thirty modules for it would cost more than the whole start-up budget. A test holds the lines against the functions'
own docstrings.
"""

from collections.abc import Callable, Iterator, Mapping

from herocloud.kits.named_tuples import NamedTuple


class Leaf(NamedTuple):
    """One command."""

    module: str
    """Below `herocloud.cli.commands`."""
    function: str
    says: str


class Group(NamedTuple):
    """A word that other commands follow."""

    says: str
    members: Mapping[str, "Leaf | Group"]


COMMANDS: Mapping[str, Leaf | Group] = {
    "init": Leaf("yaml_files", "init", "Write a commented starter stack and a .gitignore."),
    "validate": Leaf("yaml_files", "validate", "Check the stack files and show every finding."),
    "fmt": Leaf("yaml_files", "fmt", "Lay stack files out the canonical way; comments stay."),
    "plan": Leaf("previews", "plan", "Show what apply would do; never locks, never changes anything."),
    "apply": Leaf("lifecycle", "apply", "Run a saved plan, or plan, ask and run."),
    "destroy": Leaf("lifecycle", "destroy", "Plan and apply the removal of everything in the stack."),
    "show": Leaf("previews", "show", "Show a saved plan, or what is recorded and observed."),
    "drift": Leaf("previews", "drift", "Compare the world with the records; cannot write."),
    "resume": Leaf("lifecycle", "resume", "Finish an apply that was interrupted."),
    "undo": Leaf("lifecycle", "undo", "Take back what an apply did, as a plan of its own."),
    "state": Group(
        "The records of what was made, and their history.",
        {
            "list": Leaf("state", "list_records", "List the records."),
            "show": Leaf("state", "show_record", "Show one record in full."),
            "log": Leaf("state", "log", "List every change of the state, newest first."),
            "diff": Leaf("state", "diff", "Compare the state at two serials or after two applies."),
            "lock": Leaf("state", "lock", "Show who holds a lock: of the host, a stack or a VM."),
            "mv": Leaf("state", "move", "Rename a record; the machine goes on running."),
            "rm": Leaf("state", "remove", "Forget a record; the machine is not touched."),
            "protect": Leaf("state", "protect", "Protect a record from deletion and replacement."),
            "orphans": Leaf("state", "orphans", "List what carries our mark and no record owns."),
            "adopt": Leaf("state", "adopt", "Take an orphan back into the records."),
            "gc": Leaf("state", "gc", "Remove orphans and deleted data that is still kept."),
        },
    ),
    "export": Leaf("yaml_files", "export", "Write the YAML of what exists; planning it again changes nothing."),
    "output": Leaf("information", "output", "Show the outputs of the stack."),
    "graph": Leaf("previews", "graph", "Draw what depends on what, as dot or mermaid."),
    "schema": Leaf("yaml_files", "schema", "Print the JSON Schema of stack files, for editors."),
    "report": Leaf("information", "report", "Write an HTML report of what is recorded and observed."),
    "doctor": Leaf("host", "doctor", "Show what is missing on this host, and for which provider."),
    "host": Group(
        "The machine that plans are made for.",
        {
            "show": Leaf("host", "show", "Show the machine and where each value came from."),
            "refresh": Leaf("host", "refresh", "Detect the machine again; memory that grew adds slices."),
        },
    ),
    "slice": Group(
        "The units of capacity.",
        {
            "list": Leaf("host", "list_slices", "List the slices and who uses them."),
            "show": Leaf("host", "show_slice", "Show one slice."),
        },
    ),
    "vm": Group(
        "Imperative work on single VMs; it is planned and journalled like a stack.",
        {
            "list": Leaf("vms", "list_vms", "List the VMs."),
            "show": Leaf("vms", "show", "Show one VM."),
            "start": Leaf("vms", "start", "Boot a stopped VM."),
            "stop": Leaf("vms", "stop", "Shut a VM down."),
            "restart": Leaf("vms", "restart", "Shut a VM down and boot it again."),
            "pause": Leaf("vms", "pause", "Freeze a running VM."),
            "resume": Leaf("vms", "resume", "Let a paused VM run on."),
            "delete": Leaf("vms", "delete", "Delete a VM."),
            "logs": Leaf("vm_guests", "logs", "Show what a VM wrote to its console."),
            "exec": Leaf("vm_guests", "execute", "Run a program inside a VM."),
            "console": Leaf("vm_guests", "console", "Attach to the console of a VM."),
            "wait": Leaf("vm_guests", "wait", "Wait until the guests of VMs answer."),
            "clone": Leaf("vm_copies", "clone", "Make a new VM from copies of the disks of a VM."),
            "export": Leaf("vm_copies", "export", "Write a VM with its disks into one file."),
            "import": Leaf("vm_copies", "import_file", "Make a VM from a file that `vm export` wrote."),
            "snapshot": Group(
                "Snapshots of VMs: copies of their disks, and of their memory if asked.",
                {
                    "create": Leaf("vm_snapshots", "create", "Take a snapshot of VMs."),
                    "list": Leaf("vm_snapshots", "list_snapshots", "List the snapshots of VMs."),
                    "show": Leaf("vm_snapshots", "show", "Show one snapshot."),
                    "restore": Leaf("vm_snapshots", "restore", "Put what a snapshot holds in the place of what the VM has."),
                    "delete": Leaf("vm_snapshots", "delete", "Delete snapshots of a VM."),
                },
            ),
        },
    ),
    "mycelium": Group(
        "The overlay of this host.",
        {
            "status": Leaf("overlay_node", "show_status", "Show the overlay daemon, its peers and routes, and the traffic per VM."),
            "key": Leaf("overlay_node", "make_keys", "Make the keys that overlay addresses follow from."),
        },
    ),
    "image": Group(
        "The catalogue of images.",
        {
            "list": Leaf("image_catalogue", "list_images", "List the images of the stack and which of them are here."),
            "pull": Leaf("image_catalogue", "pull", "Fetch images of the stack before an apply needs them."),
            "build": Leaf("image_builds", "build", "Build an image out of Debian packages."),
            "verify": Leaf("image_catalogue", "verify", "Read every stored image again and list the damaged ones."),
            "prune": Leaf("image_catalogue", "prune", "Remove stored images that nothing uses."),
        },
    ),
    "daemon": Group(
        "The JSON-RPC daemon, which also looks after the VMs.",
        {
            "run": Leaf("daemon", "run", "Serve JSON-RPC on a unix socket, and look after the VMs."),
            "status": Leaf("daemon", "status", "Show whether a daemon runs for this data folder."),
            "stop": Leaf("daemon", "stop", "End the daemon; VMs run on."),
            "logs": Leaf("daemon", "logs", "Show what a detached daemon wrote last."),
            "install": Leaf("daemon", "install", "Write the units of systemd for the daemon, its socket, and for starting VMs at boot."),
        },
    ),
    "completion": Leaf("information", "completion", "Print or install tab completion for a shell."),
    "version": Leaf("information", "version", "Print the version."),
}


ELSEWHERE: Mapping[str, str] = {
    "import": "What exists already comes into the records with `herocloud state adopt`.",
    "taint": "A VM is replaced with `herocloud apply --replace ADDR`.",
    "untaint": "Nothing is marked for replacement here: `--replace ADDR` is for one plan only.",
    "refresh": "Every plan looks at the host; `herocloud drift` shows what differs.",
    "console": "Use `herocloud vm console VM`.",
    "ssh": "Use `herocloud vm console VM`, or `herocloud vm exec VM -- COMMAND`.",
    "exec": "Use `herocloud vm exec VM -- COMMAND`.",
    "logs": "Use `herocloud vm logs VM`.",
    "list": "Use `herocloud vm list`, `herocloud state list` or `herocloud image list`.",
    "start": "Use `herocloud vm start VM`.",
    "stop": "Use `herocloud vm stop VM`.",
    "delete": "Use `herocloud vm delete VM`, or take it out of the stack and run `herocloud apply`.",
    "up": "Use `herocloud apply`.",
    "down": "Use `herocloud destroy`.",
    "get": "Images are fetched by `apply`, or before it by `herocloud image pull`.",
    "workspace": "Each `stack:` has records of its own; `herocloud state list` shows them all.",
    "force-unlock": "A lock of a process that ended is free; `herocloud state lock` shows who holds one.",
}
"""What people know from other programs, and where it is here."""


def find(path: tuple[str, ...]) -> Leaf | Group | Mapping[str, Leaf | Group] | None:
    """Return what these words lead to: the whole table for none, nothing when they lead nowhere."""
    if not path:
        return COMMANDS
    leaf = COMMANDS.get(path[0])
    for word in path[1:]:
        leaf = leaf.members.get(word) if isinstance(leaf, Group) else None
    return leaf


def leaves() -> list[tuple[tuple[str, ...], Leaf]]:
    """Return every command with the words that lead to it."""
    return list(_leaves_of(COMMANDS, ()))


def _leaves_of(members: Mapping[str, Leaf | Group], words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    for word, entry in members.items():
        if isinstance(entry, Leaf):
            yield (*words, word), entry
        else:
            yield from _leaves_of(entry.members, (*words, word))


def name_of(function: Callable[..., int]) -> str:
    """Return the words that lead to a function."""
    module = function.__module__.rpartition(".")[2]
    return next((" ".join(words) for words, leaf in leaves() if (leaf.module, leaf.function) == (module, function.__name__)), "")
