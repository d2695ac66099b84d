"""The plan as Markdown for a pull request, within a budget of bytes.

Comments on GitHub end at 65,536 characters, and one that is cut in the middle of a fence swallows the page. So the text is made of
blocks that are whole by themselves, put in by importance: what destroys data first, then the rest, first unfolded and, once room gets
scarce, as single lines; what finds no room is counted. A hidden marker lets a bot find and replace its own comment.
"""

import html
import re
from collections.abc import Iterator, Sequence

from herocloud.model.outcomes import Result
from herocloud.model.plans import Change, Plan
from herocloud.model.words import GLYPHS, Action, Impact
from herocloud.views import capacities, diagnostic_text, phrases, results, text, values

MAX_BYTES = 65_000

_RESERVE = 120
"""Kept for the line that says what was left out."""

_FENCE = 40
"""What a fence and the line of what is left out in it take."""


def render(plan: Plan, max_bytes: int = MAX_BYTES) -> str:
    """Write the plan; the result never has more than `max_bytes` bytes in UTF-8, and every fence in it is closed."""
    page = _Page(max_bytes)
    changes = phrases.arrange(plan)
    page.require(marker(plan))
    page.require(f"### herocloud: stack {_code(plan.stack)} on {_code(plan.host)}{' (simulated)' if plan.simulated else ''}")
    page.require(
        f"**{phrases.tally_line(plan)}.** {_escape(phrases.time_line(plan))}"
        if changes
        else f"**{'Only outputs change' if plan.changes_outputs else 'No changes'}.**"
    )
    for warning in _warnings(plan, changes):
        page.offer(warning)
    if plan.diagnostics:
        page.offer(_fence("text", diagnostic_text.render(plan.diagnostics)))
    if changes or plan.errored:
        page.offer(_capacity(plan))
    page.offer_lines("#### Outputs", [line.removeprefix("  ") for line in text.output_lines(plan)])
    page.add_changes(sorted(changes, key=lambda change: change.impact is not Impact.DATA), purge=plan.purge)
    for header, rows in phrases.drift_groups(plan.drift):
        page.offer(f"#### {header}\n\n" + _fence("text", "\n".join(f"{address}  {line}" for address, line in rows)))
    return page.text(f"Plan {_code(plan.id)}.")


def render_result(plan: Plan, result: Result, max_bytes: int = MAX_BYTES) -> str:
    """Write how an apply ended."""
    page = _Page(max_bytes)
    page.require(marker(plan))
    page.require(f"### herocloud: stack {_code(plan.stack)} on {_code(plan.host)}")
    page.require(f"**{_escape(results.headline(plan, result))}**")
    fate = results.fates_of(plan, result)
    for failure in results.failures(result):
        outcome = failure.outcome
        held = f"\n{results.held_back_line(failure, fate)}" if failure.held_back else ""
        page.offer(_fence("text", f"{outcome.address}: {outcome.kind} failed\n{outcome.error or ''}{held}"))
    for words, left in results.left_lines(plan, result):
        page.offer(f"{_escape(words)}: {_names([results.name_left(change, fate) for change in left])}.")
    page.offer(_escape(results.next_step(plan, result)))
    return page.text(f"Plan {_code(plan.id)}.")


def marker(plan: Plan) -> str:
    """Return the hidden line by which a bot finds its comment for this stack."""
    return f"<!-- herocloud:plan stack={re.sub('[^a-z0-9-]', '', plan.stack)} -->"


class _Page:
    """Whole blocks up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._blocks: list[str] = []
        self._left_out = 0
        self._pieces = 0

    def require(self, block: str) -> None:
        """Put in what the page is about; in a tiny budget even that gives way, from the end."""
        if not self._fits(block, 0):
            self._pieces += 1
            return
        self._put(block)

    def offer(self, block: str) -> None:
        """Put in a block if there is room."""
        if not block:
            return
        if self._fits(block, _RESERVE):
            self._put(block)
        else:
            self._pieces += 1

    def offer_lines(self, heading: str, lines: Sequence[str]) -> None:
        """Put in lines as one fenced block, as many as find room in a quarter of what is left."""
        room = min(self._room // 4, self._room - _RESERVE) - _size(heading) - _FENCE
        shown: list[str] = []
        for line in map(_flat, lines):
            room -= _size(line) + 2 * line.count("`")
            if room < 0:
                break
            shown.append(line)
        if len(shown) < len(lines):
            shown.append(f"# and {len(lines) - len(shown)} more")
        if lines:
            self.offer(f"{heading}\n\n{_fence('diff', chr(10).join(shown))}")

    def add_changes(self, changes: list[Change], *, purge: bool) -> None:
        """Put in changes, unfolded while that leaves the others room for a line each (or half of the room, when there are too many)."""
        lines = [_line(change) for change in changes]
        waiting = sum(map(_size, lines))
        heading = ""
        roomy, listing = True, False
        for number, change in enumerate(changes):
            wanted = "#### Destroys data" if change.impact is Impact.DATA else "#### Changes"
            lead = "" if wanted == heading else f"{wanted}\n\n"
            waiting -= _size(lines[number])
            details = lead + _details(change, purge=purge) if roomy else ""
            if roomy and self._fits(details, _RESERVE + min(waiting, self._room // 2)):
                self._put(details)
            elif self._fits(lead + lines[number], _RESERVE):
                self._put(lead + lines[number], joined=listing and not lead)
                roomy, listing = False, True
            else:
                self._left_out += len(changes) - number
                return
            heading = wanted

    def text(self, footer: str) -> str:
        """Return the page."""
        counted = ((self._left_out, "change"), (self._pieces, "section"))
        words = [f"{number} {word}{'' if number == 1 else 's'}" for number, word in counted if number]
        if words:
            footer = f"Left out for lack of room: {' and '.join(words)}. {footer}"
        if self._fits(footer, 0):
            self._put(footer)
        return "\n\n".join(self._blocks)

    def _fits(self, block: str, reserve: int) -> bool:
        return _size(block) + reserve <= self._room

    def _put(self, block: str, *, joined: bool = False) -> None:
        self._room -= _size(block)
        if joined:
            self._blocks[-1] += f"\n{block}"
        else:
            self._blocks.append(block)


def _size(block: str) -> int:
    return len(block.encode()) + 2


def _line(change: Change) -> str:
    return f"- {_code(f'{GLYPHS[change.action]} {change.address}')} {phrases.action_words(change)}"


def _warnings(plan: Plan, changes: list[Change]) -> Iterator[str]:
    lost = [change.address for change in changes if change.impact is Impact.DATA and not change.protected]
    if lost:
        yield f"> [!CAUTION]\n> Data is deleted{' and not kept' if plan.purge else ''}: {_names(lost)}."
    blocked = [change.address for change in changes if change.protected]
    if blocked:
        yield f"> [!IMPORTANT]\n> Blocked by protection: {_names(blocked)}. This plan cannot be applied."
    if plan.errored:
        yield "> [!IMPORTANT]\n> This plan has errors and cannot be applied."
    down = [change.address for change in changes if change.downtime is None or change.downtime > 0]
    if down:
        yield f"> [!WARNING]\n> Interrupted meanwhile: {_names(down)}."
    if not plan.complete:
        yield "> [!NOTE]\n> Only a part of the stack was planned (`--target`, `--exclude`)."


def _details(change: Change, *, purge: bool) -> str:
    first = phrases.lines(change, purge=purge)[0]
    title = f"{_code(f'{GLYPHS[change.action]} {change.address}')} {phrases.action_words(change)}: {html.escape(_flat(first))}"
    return f"<details><summary>{title}</summary>\n\n{_fence('diff', chr(10).join(_diff(change, purge=purge)))}\n\n</details>"


def _diff(change: Change, *, purge: bool) -> Iterator[str]:
    """Write a change so that the `diff` colours of GitHub fit it: `-` what goes, `+` what comes."""
    if change.action is Action.CREATE:
        for path, text in phrases.verbose_fields(change.after):
            yield f"+ {path}: {_flat(text)}"
    elif change.action is Action.DELETE:
        for path, text in phrases.verbose_fields(change.before):
            yield f"- {path}: {_flat(text)}"
    for field in () if change.action is Action.CREATE else change.fields:
        hidden = field.sensitive or values.is_sensitive(field.path)
        for sign, value in (("-", field.before), ("+", field.after)):
            if value is not None:
                yield f"{sign} {field.path}: {_flat(values.fingerprint(value) if hidden else values.show(field.path, value))}"
        if field.why:
            yield f"# {_flat(field.why)}"
    remarks = phrases.remarks(change)
    if not change.fields and change.action not in (Action.CREATE, Action.DELETE):
        remarks = phrases.lines(change, purge=purge)
    for line in remarks:
        yield f"# {_flat(line)}"


def _capacity(plan: Plan) -> str:
    rows = ["| | before | peak | after | limit |", "|---|---:|---:|---:|---:|"]
    for gauge in capacities.gauges(plan.capacity):
        level = gauge.level
        limit = "" if level.limit is None else gauge.write(level.limit)
        over = " does not fit" if gauge.over else ""
        rows.append(
            f"| {gauge.word} | {gauge.write(level.before)} | {gauge.write(level.peak)}{over} | {gauge.write(level.after)} | {limit} |"
        )
    return "\n".join(rows)


def _fence(language: str, content: str) -> str:
    # A fence must be longer than any run of backticks inside it; values are the user's own words.
    longest = max((len(run) for run in re.findall("`+", content)), default=0)
    bars = "`" * max(3, longest + 1)
    return f"{bars}{language}\n{content}\n{bars}"


def _names(addresses: Sequence[str]) -> str:
    shown = ", ".join(_code(address) for address in addresses[:10])
    return f"{shown} and {len(addresses) - 10} more" if len(addresses) > 10 else shown


def _code(text: str) -> str:
    return f"<code>{html.escape(_flat(text))}</code>"


def _escape(text: str) -> str:
    return re.sub(r"([\\*_\[\]#|])", r"\\\1", html.escape(text, quote=False))


def _flat(text: str) -> str:
    return " ".join(text.split())
