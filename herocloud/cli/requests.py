"""From flags to what operations take: sources, planning options, how to run, and where the log goes.

Without a handler Python would print warnings, tracebacks included, between the lines of a progress display. So the log goes nowhere
unless HEROCLOUD_LOG or `-v` asks for it.
"""

import contextlib
import gc
import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from herocloud.cli import flags
from herocloud.cli.command import BadValue, Call
from herocloud.kits import nearest, sizes
from herocloud.model.applies import Begun, Caller
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import StackName, StepId
from herocloud.model.outcomes import Event
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import approval, inputs
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked
from herocloud.plan.scope import PlanOptions
from herocloud.providers import registry

if TYPE_CHECKING:
    from herocloud.apply.steering import Options
    from herocloud.operations.callers import How, Watch

FILE_FLAG = "-f"
LEVELS = ("debug", "info", "warning", "error")


def set_up(environment: Mapping[str, str], verbose: int) -> None:
    """Send the log to stderr at the level that was asked for, or nowhere."""
    import logging

    level = environment.get("HEROCLOUD_LOG", "").lower()
    if level and level not in LEVELS:
        raise BadValue(f"`{level}` is not a level; use {', '.join(f'`{level}`' for level in LEVELS)}", "HEROCLOUD_LOG")
    if not level:
        level = "debug" if verbose > 1 else "info" if verbose else ""
    ours = logging.getLogger("herocloud")
    ours.handlers.clear()
    if not level:
        ours.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(level.upper())


Listener = Callable[[Event], None]


def make_sources(call: Call, variables: flags.Variables) -> Sources:
    """Say what the stack is read from."""
    for one in variables.var or ():
        if "=" not in one:
            raise BadValue(f"`{one}` gives no value; write `NAME=VALUE`", "--var")
    return Sources(
        files=call.files,
        variables=tuple(variables.var or ()),
        var_files=tuple(call.var_files),
        environment=call.environment,
        stdin=inputs.read_stdin(call.files),
    )


def make_sources_for(call: Call, variables: flags.Variables, asked: Asked) -> Sources:
    """Say what the stack of a plan is read from: nothing where a stack is destroyed by its name, as its records are enough."""
    return Sources(()) if asked.stack is not None and asked.options.destroy else make_sources(call, variables)


def make_asked(
    planning: flags.Planning, running: flags.Executing | None = None, *, destroy: bool = False, stack: str | None = None
) -> Asked:
    """Say what plan is wanted; `running` says how it will be run, which decides how long it takes."""
    for name in ("target", "exclude", "replace", "hypervisor"):
        _require_text(getattr(planning, name) or (), f"--{name}")
    require_hypervisor(planning.hypervisor)
    options = PlanOptions(
        target=tuple(planning.target or ()),
        exclude=tuple(planning.exclude or ()),
        replace=tuple(planning.replace or ()),
        destroy=destroy,
        hypervisor=planning.hypervisor,
        purge=planning.purge,
    )
    if running is not None:
        _require_word(running.accelerator, registry.accelerators, "an accelerator", "--accelerator")
        options = options._replace(parallelism=running.parallelism)
    return Asked(options, planning.refresh, stack, running.accelerator if running is not None else None)


def require_hypervisor(name: str | None) -> None:
    """Refuse a hypervisor that nobody declares."""
    _require_word(name, lambda: ("auto", *registry.hypervisor_names()), "a hypervisor", "--hypervisor")


def _require_text(values: Iterable[str], flag: str) -> None:
    """Refuse bytes that are not text; they could name nothing, and a plan's identity could not be made of them."""
    for value in values:
        if not value.isprintable():
            raise BadValue(f"{value!r} holds what is not text", flag)


def _require_word(name: str | None, words: Callable[[], tuple[str, ...]], noun: str, flag: str) -> None:
    """Refuse a word that no provider declares."""
    if name is None or name in (known := words()):
        return
    _require_text([name], flag)
    close = nearest.nearest(name, known)
    hint = f"did you mean `{close}`?" if close else f"there are {', '.join(known)}"
    raise BadValue(f"`{name}` is not {noun}; {hint}", flag)


def refuse_beside_plan(call: Call, *names: str) -> None:
    """Refuse typed flags that a command with a saved plan would not look at: it holds its stack, files and values."""
    typed = [FILE_FLAG if name == "file" else f"--{name.replace('_', '-')}" for name in names if name in call.typed]
    if typed:
        raise BadValue(f"a saved plan is shown as it is; {', '.join(typed)} cannot be given with it", "PLANFILE")


def refuse_without_plan(call: Call, *names: str) -> None:
    """Refuse typed flags that write views of a plan where there is none."""
    typed = [f"--{name.replace('_', '-')}" for name in names if name in call.typed]
    if typed:
        raise BadValue(
            f"{', '.join(typed)} can only be given with a PLANFILE; `herocloud report` writes a page about what is recorded", typed[0]
        )


def make_approved(running: flags.Approving) -> frozenset[Approval]:
    """Say what is approved already."""
    if running.auto_approve:
        return approval.EVERYTHING
    try:
        return approval.parse(running.approve or ())
    except approval.NotAClass as error:
        raise BadValue(str(error), "--approve") from error


def make_how(call: Call, running: flags.Executing, *, shutdown: float | None = None, stream: Listener | None = None) -> "How":
    """Say how to run, and who watches: people on stderr, and a stream when there is one."""
    from herocloud.apply.steering import Options, limit_for

    set_up(call.environment, call.verbose)
    _require_word(running.accelerator, registry.accelerators, "an accelerator", "--accelerator")
    limit = limit_for(shutdown)
    options = Options(running.parallelism, running.on_failure, step_timeout=limit, shutdown=shutdown)
    return _how(call, options, running.lock_timeout, stream)._replace(accelerator=running.accelerator)


def make_plain_how(call: Call, lock_timeout: str) -> "How":
    """Say how to run something that has no steps."""
    from herocloud.apply.steering import Options

    return _how(call, Options(), lock_timeout, None)


def _how(call: Call, options: "Options", lock_timeout: str, stream: Listener | None) -> "How":
    from herocloud.cli import daemon_link, signals
    from herocloud.operations.callers import How

    return How(
        options,
        make_watch(call, stream),
        parse_seconds(lock_timeout, "--lock-timeout"),
        lambda text: call.note(f"note: {text}"),
        make_caller(call),
        signals.SignalInterrupts(),
        environment=call.environment,
        carrier=daemon_link.find(call.folder, call.environment),
    )


def make_caller(call: Call, flag: str = "") -> Caller:
    """Name who runs this command; a flag that makes it another one is named with it."""
    return Caller(_user(), f"{call.command} {flag}".rstrip())


def _user() -> str:
    """Return who runs this command; behind `sudo` that is still the person who typed it."""
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    asked_by = os.environ.get("SUDO_USER")
    return f"{asked_by} (sudo)" if asked_by and asked_by != name else name


def make_watch(call: Call, stream: Listener | None) -> "Watch":
    """Return what shows each apply that runs."""

    @contextlib.contextmanager
    def watch(plan: Plan, before: Collection[StepId], _begun: Begun) -> Iterator[Listener]:
        from herocloud.views import events

        # What was made so far stays until the end; what the apply makes may run in circles for hours.
        gc.freeze()
        gc.enable()
        listeners = [stream] if stream is not None else []
        with contextlib.ExitStack() as stack:
            if not call.quiet and not (call.json and not call.screen.lively):
                from herocloud.views.progress import Progress

                shown = Progress(plan, call.screen.talk_sink(), terminal=call.screen.lively, color=call.screen.color_err, before=before)
                listeners.append(stack.enter_context(shown).tell)
            yield events.fan_out(*listeners)

    return watch


def parse_seconds(text: str, flag: str) -> float:
    """Read a duration from a flag: `30s`, `5min`, or a plain number of seconds."""
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else sizes.parse_duration(text)
    except sizes.NotASize as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise BadValue(f"{error}{hint}", flag) from error


def stack_here(call: Call, instead: str) -> StackName | None:
    """Return the stack of the file that the command was given or that lies here; nothing where there is no file.

    Raises Refused where there is a file and no telling whose: every stack, or any, is not what somebody means who stands in the folder of
    one. `instead` says what else names it.
    """
    if not call.files_named and not os.path.lexists(call.files[0]):
        return None
    name = inputs.name_of_stack(call.folder, Sources(call.files, environment=call.environment, stdin=inputs.read_stdin(call.files)))
    if name is not None:
        return StackName(name)
    validate = " ".join(["herocloud validate", *(f"{FILE_FLAG} {shlex.quote(file)}" for file in call.files if call.files_named)])
    raise Refused(
        [
            Diagnostic(
                "stack-not-named",
                "The stack here has no name that can be read",
                f"`{call.files[0]}` does not tell which stack this command is about.",
                hint=f"`{validate}` shows what is wrong with it; {instead}",
            )
        ]
    )


def choose_stack(call: Call, stack: str | None) -> str | None:
    """Return the stack that a command about the state means: the one named, the one of the stack file here, or nothing for all."""
    if stack is not None:
        from herocloud.operations import lookups

        lookups.require_known(call.folder, stack)
        return stack
    return stack_here(call, "`--stack NAME` names the stack without it")
