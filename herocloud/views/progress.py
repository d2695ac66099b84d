"""What a person sees on stderr while an apply runs.

On a terminal: a line for each finished change, and below them a moving block with the running steps, elapsed against expected, and
a total. Elsewhere: a line for each finished change and a heartbeat now and then, so that a CI log shows life. The block is redrawn
ten times a second at most, whatever happens below it: 10,000 VMs must not be slowed down by being watched. `Board` holds what is
known and writes lines; `Progress` owns the clock, the thread and the stream.
"""

import shutil
import threading
import time
from collections.abc import Callable, Collection
from typing import NamedTuple, Self

from herocloud.kits import sizes, terminal_text
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event
from herocloud.model.plans import Plan
from herocloud.model.steps import Step
from herocloud.model.words import GLYPHS
from herocloud.views import writer
from herocloud.views.writer import Outlet, Sink

REDRAW = 0.1
HEARTBEAT = 10.0
_MOST_RUNNING = 10
_MOST_LINES = 200
"""Off a terminal, larger plans show heartbeats and failures only."""


class Running(NamedTuple):
    """A step under way."""

    step: Step
    since: float
    detail: str = ""
    back: bool = False


class Board:
    """What is known of a running apply."""

    def __init__(
        self,
        plan: Plan,
        *,
        palette: writer.Palette = writer.PLAIN,
        before: Collection[StepId] = (),
        chatty: bool = True,
    ) -> None:
        """Start with nothing running; `before` are steps that an earlier run finished."""
        self._palette = palette
        self._chatty = chatty
        self._steps = {step.id: step for step in plan.steps}
        self._changes = {change.address: change for change in plan.changing}
        self._expected = plan.critical_seconds
        self._begun: dict[Address, float] = {}
        self._wide = min(34, max((len(address) for address in self._changes), default=0)) + 3
        self.running: dict[StepId, Running] = {}
        self._turned: dict[Address, float] = {}
        self._broken: set[Address] = set()
        """Addresses of which a step failed."""
        """When the first step of an address began to be taken back."""
        self.ended = len(before)
        self.failed = 0
        self.skipped = 0
        self.undone = 0

    def take(self, event: Event, now: float) -> list[str]:
        """Note an event; returns the lines that stay."""
        step = self._steps.get(event.step) if event.step else None
        if step is None:
            return [f"  {self._palette.cyan}note{self._palette.off}: {event.detail}"] if event.type == "note" and event.detail else []
        if event.back:
            return self._take_back(event, step, now)
        if event.type == "apply_start":
            self.running[step.id] = Running(step, now)
            self._begun.setdefault(step.address, now)
        elif event.type == "apply_progress" and step.id in self.running:
            self.running[step.id] = self.running[step.id]._replace(detail=event.detail)
        elif event.type == "retry":
            return [self._line("…", self._palette.yellow, step.address, f"{step.kind} is tried again: {event.detail}")]
        elif event.type == "apply_complete":
            return self._complete(step, now)
        elif event.type == "apply_errored":
            self._end(step)
            self.failed += 1
            self._broken.add(step.address)
            first = event.detail.splitlines()[0] if event.detail else ""
            words = f"{step.kind} failed after {sizes.show_duration(event.seconds)}"
            return [self._line("x", self._palette.red, step.address, f"{words}: {first}" if first else words)]
        elif event.type == "apply_skipped":
            self._end(step)
            self.skipped += 1
        return []

    def _take_back(self, event: Event, step: Step, now: float) -> list[str]:
        """Note an event of the way back: nothing is made by it, so none of the counts of the way forward moves."""
        words = f"{step.kind} could not be taken back"
        if event.type == "apply_start":
            self.running[step.id] = Running(step, now, back=True)
            self._turned.setdefault(step.address, now)
        elif event.type == "apply_progress" and step.id in self.running:
            self.running[step.id] = self.running[step.id]._replace(detail=event.detail)
        elif event.type == "retry":
            return [self._line("…", self._palette.yellow, step.address, f"{step.kind} is tried again to be taken back: {event.detail}")]
        elif event.type == "apply_complete":
            self.running.pop(step.id, None)
            self.undone += 1
            return self._undone(event, step, now)
        elif event.type == "apply_errored":
            self.running.pop(step.id, None)
            self.failed += 1
            first = event.detail.splitlines()[0] if event.detail else ""
            return [self._line("x", self._palette.red, step.address, f"{words}: {first}" if first else words)]
        return []

    def _undone(self, event: Event, step: Step, now: float) -> list[str]:
        """Say that a change is taken back, once with the last of its steps that were begun."""
        change = self._changes.get(step.address)
        left = event.data.get("left") if event.data is not None else 0
        if left or change is None or not self._chatty:
            return []
        took = sizes.show_duration(round(now - self._turned.get(step.address, now), 1))
        return [self._line("<", self._palette.yellow, step.address, f"{change.action.value} taken back in {took}")]

    def block(self, elapsed: float, now: float, width: int) -> list[str]:
        """Write the moving part: what runs, longest first, and the total."""
        rows = sorted(self.running.values(), key=lambda running: running.since)
        lines = [self._running(row, now)[: width - 1] for row in rows[:_MOST_RUNNING]]
        if len(rows) > _MOST_RUNNING:
            lines.append(f"    … and {len(rows) - _MOST_RUNNING} more")
        return [*lines, f"  {self.total(elapsed)}"[: width - 1]]

    def total(self, elapsed: float) -> str:
        """Write how far it all is."""
        text = f"{self.ended} of {len(self._steps)} steps · {sizes.show_duration(int(elapsed))}"
        if self._expected >= 1:
            text += f" of about {sizes.show_duration(round(self._expected))}"
        for number, word in ((self.failed, "failed"), (self.skipped, "not started"), (self.undone, "taken back")):
            text += f" · {number} {word}" if number else ""
        return text

    def heartbeat(self, elapsed: float, now: float) -> str:
        """Write the total and the step that runs longest, on one line."""
        text = self.total(elapsed)
        oldest = min(self.running.values(), key=lambda running: running.since, default=None)
        if oldest is None:
            return text
        more = f" and {len(self.running) - 1} more" if len(self.running) > 1 else ""
        what = f"taking back {oldest.step.kind}" if oldest.back else oldest.step.kind
        return f"{text} · running: {oldest.step.address} {what} for {sizes.show_duration(int(now - oldest.since))}{more}"

    def _complete(self, step: Step, now: float) -> list[str]:
        self._end(step)
        change = self._changes.get(step.address)
        # What heals, such as letting a VM go on, is done last although a step before it failed.
        if not step.last or change is None or not self._chatty or step.address in self._broken:
            return []
        took = sizes.show_duration(round(now - self._begun.get(step.address, now), 1))
        return [
            self._line(
                GLYPHS[change.action],
                writer.of_action(self._palette, change.action),
                step.address,
                f"{change.action.value} done in {took}",
            )
        ]

    def _end(self, step: Step) -> None:
        self.running.pop(step.id, None)
        self.ended += 1

    def _line(self, sign: str, colour: str, address: Address, words: str) -> str:
        lead = f" {sign} " if len(sign) == 3 else f"  {sign} "
        place = f"{lead}{address}".ljust(3 + self._wide)
        return f"{colour}{place}{self._palette.off if colour else ''} {words}"

    def _running(self, running: Running, now: float) -> str:
        expected = running.step.seconds
        text = f"    {running.step.address.ljust(self._wide)}{running.step.kind.ljust(16)}{sizes.show_duration(int(now - running.since))}"
        if running.back:
            text += " · is taken back"
        elif expected >= 1:
            text += f" of about {sizes.show_duration(round(expected))}"
        return f"{text} · {running.detail}" if running.detail else text


class Progress:
    """Shows a board on a stream; use it as a context, and hand `tell` to the executor."""

    def __init__(
        self,
        plan: Plan,
        sink: Sink,
        *,
        terminal: bool,
        color: bool = False,
        before: Collection[StepId] = (),
        clock: Callable[[], float] = time.monotonic,
        width: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        """Show this plan's apply; `terminal` says whether lines can be redrawn."""
        chatty = terminal or len(plan.changing) <= _MOST_LINES
        self._board = Board(plan, palette=writer.choose(color=color), before=before, chatty=chatty)
        self._outlet = Outlet(sink)
        self._terminal = terminal
        self._clock = clock
        self._width = width
        self._started = clock()
        self._spoke = self._started
        self._pending: list[str] = []
        self._drawn = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start to show life even when no event comes."""
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is pending, and take the moving part away."""
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join()
        self.close()

    def tell(self, event: Event) -> None:
        """Take an event of the executor."""
        with self._lock:
            now = self._clock()
            self._pending += self._board.take(event, now)
            due = now - self._spoke >= REDRAW if self._terminal else bool(self._pending)
        if due:
            self.refresh()

    def refresh(self) -> None:
        """Show the present state: redraw, or beat when it is time."""
        with self._lock:
            now = self._clock()
            elapsed = now - self._started
            if self._terminal:
                self._draw(self._board.block(elapsed, now, self._width()))
                self._spoke = now
            elif self._pending:
                self._draw([])
                self._spoke = now
            elif now - self._spoke >= HEARTBEAT:
                self._outlet.write(f"    {self._board.heartbeat(elapsed, now)}\n")
                self._spoke = now

    def close(self) -> None:
        """Write what is pending, without a moving part below it."""
        with self._lock:
            self._draw([])

    def _draw(self, block: list[str]) -> None:
        # Up to the top of what was drawn last, and everything below it away; then the lines that stay, then the block again.
        erase = f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        # Details come from guests and servers; whatever moves a cursor in this text is ours.
        lines = [terminal_text.visible(line, colors=True) for line in (*self._pending, *block)]
        self._outlet.write(erase + "".join(f"{line}\n" for line in lines))
        self._pending = []
        self._drawn = len(block)

    def _tick(self) -> None:
        while not self._stop.wait(REDRAW if self._terminal else 1.0):
            self.refresh()
