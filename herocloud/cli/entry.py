"""The console script: from the words on the command line to an exit code.

Help of the whole program, the version and a call without words need neither Typer nor any command. Whatever comes out of a command, by
return or by exception, becomes one of the exit codes in `exit_codes`.
"""

import atexit
import gc
import os
import sys

from herocloud.cli import front_page

HELP_WORDS = ("--help", "-help", "-h", "help")
VERSION_WORDS = ("--version", "-version", "-V")


def main() -> int:
    """Run one command and return its exit code."""
    # Most commands end before the cyclic collector would find anything, and it takes a tenth of their time; an apply switches it on again.
    was_on = gc.isenabled()
    gc.disable()
    try:
        code = _run(sys.argv[1:])
    except KeyboardInterrupt:
        # Commands answer an interrupt themselves; this one came while the program was still being loaded, or after its work.
        code = 130
    finally:
        # The first allocation behind an `enable` would collect everything; a process that ends has no use for that.
        own = is_own_process()
        if was_on and not own:
            gc.enable()
    if own:
        atexit.register(_leave, code)
    return code


def is_own_process() -> bool:
    """Return whether this process was started for this command, by the console script or with `-m`, and will end after it."""
    program = sys.modules["__main__"]
    spec = getattr(program, "__spec__", None)
    if spec is not None:
        return bool(spec.name == "herocloud.__main__")
    return os.path.basename(getattr(program, "__file__", None) or "") == "herocloud"  # noqa: PTH119  (as below)


def _leave(code: int) -> None:
    """End the process without taking its objects apart one by one, which would cost another tenth."""
    for stream in (sys.stdout, sys.stderr):
        try:
            # A process that was started with a stream closed has none.
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            # The reader is gone, and the error was reported where it mattered.
            continue
    os._exit(code)


def _run(words: "list[str]") -> int:
    if "_HEROCLOUD_COMPLETE" in os.environ:
        from herocloud.cli import completion

        return completion.answer()
    if len(words) == 1 and words[0] in HELP_WORDS:
        return front_page.print_help()
    if len(words) == 1 and words[0] in VERSION_WORDS:
        return front_page.print_version()
    if not words:
        front_page.print_help(sys.stderr)
        return 64
    _treat_sigterm_as_interrupt()
    from herocloud.cli import runner

    return runner.run(words)


def _treat_sigterm_as_interrupt() -> None:
    """End on SIGTERM as on ^C, with the same exit code, while the program is being loaded too; an apply puts its own handlers in front."""
    import signal

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # Only the main thread may, and a command that runs on another one is not a process of its own.
        return
