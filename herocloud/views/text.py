"""The plan as text, in the layout of `docs/cli.md`.

One line per change, aligned in columns; what differs stands in the summary column, one field below the other, so that a list of
changes can be skimmed down its left side. Every sign has its word beside it, so nothing is lost without colour. rich tables were
not used: 10,000 changes take them seconds, and this a tenth of one.
"""

import herocloud
from herocloud.model.plans import Change, Plan
from herocloud.model.words import GLYPHS, Action
from herocloud.views import capacities, phrases, values, writer

_WIDEST = 34
"""Longer addresses push their own line to the right instead of everybody's."""


def render_plan(plan: Plan, *, color: bool = False, verbose: bool = False, width: int | None = None) -> str:
    """Write the whole plan.

    `verbose` adds every field of what is created, reasons, steps' count and a legend of the signs that are used. `durations` are
    medians by step kind, for a better estimate. Diagnostics are not part of it: they go to stderr through `views.diagnostic_text`.
    """
    palette = writer.choose(color=color)
    changes = phrases.arrange(plan)
    drift = _drift(plan, palette)
    outputs = output_lines(plan)
    if not changes and not drift and not outputs and not plan.errored:
        return "No changes."
    blocks = [header(plan, palette)]
    if drift:
        blocks.append("\n".join(drift))
    if changes:
        blocks.append("\n".join(_change_lines(plan, changes, palette, verbose=verbose, width=width)))
    if outputs:
        blocks.append("\n".join(["Outputs:", *outputs]))
    if verbose and changes:
        blocks.append(_legend(changes))
    blocks.append("\n".join(_closing(plan, changes, palette, width)))
    return "\n\n".join(blocks)


def header(plan: Plan, palette: writer.Palette = writer.PLAIN) -> str:
    """Write who plans what for which machine."""
    version = ".".join(herocloud.__version__.split(".")[:2])
    text = f"herocloud {version} · stack {plan.stack} · host {plan.host} ({plan.slices_total} slices, {plan.slices_free} free)"
    if plan.simulated:
        text += " · simulated"
    return f"{palette.bold}{text}{palette.off}"


def output_lines(plan: Plan) -> list[str]:
    """Write the outputs that differ."""
    lines: list[str] = []
    if not plan.changes_outputs:
        return lines
    for name in sorted({*plan.outputs, *plan.outputs_before}):
        before, after = plan.outputs_before.get(name), plan.outputs.get(name)
        if before == after:
            continue
        if before is None:
            lines.append(f"  + {name} = {values.show('', after)}")
        elif after is None:
            lines.append(f"  - {name} (was {values.show('', before)})")
        else:
            lines.append(f"  ~ {name} {values.show_pair('', before, after)}")
    return lines


def _change_lines(plan: Plan, changes: list[Change], palette: writer.Palette, *, verbose: bool, width: int | None) -> list[str]:
    wide = min(_WIDEST, max(len(change.address) for change in changes)) + 3
    words = max(len(phrases.action_words(change)) for change in changes) + 3
    indent = " " * (4 + wide + words)
    lines: list[str] = []
    for change in changes:
        colour = writer.of_action(palette, change.action)
        off = palette.off if colour else ""
        glyph = GLYPHS[change.action]
        # The sign is centred on one column, so `-/+` sticks out by one on both sides and its address moves by one.
        lead = f" {glyph} " if len(glyph) == 3 else f"  {glyph} "
        first, *more = phrases.lines(change, purge=plan.purge)
        place = f"{lead}{change.address}".ljust(4 + wide - 1) + " "
        if width is not None:
            # Below a third of the screen a summary beside its address would be a column of single words.
            room = max(width - len(indent), width // 3)
            first, *more = [piece for line in (first, *more) for piece in writer.fold(line, room)]
            if len(change.address) > wide - 3:
                first, more = "", [first, *more]
        lines.append(f"{colour}{place}{phrases.action_words(change).ljust(words)}{off}{first}".rstrip())
        lines.extend(f"{indent}{line}" for line in more)
        hidden = phrases.hidden_fields(change)
        if hidden and change.action is not Action.DELETE:
            lines.append(f"{indent}{palette.dim}({hidden} unchanged {'field' if hidden == 1 else 'fields'} hidden){palette.off}")
        if verbose:
            lines.extend(_verbose_lines(change, palette))
    return lines


def _verbose_lines(change: Change, palette: writer.Palette) -> list[str]:
    lines = []
    reason = phrases.REASONS[change.reason]
    if reason:
        lines.append(f"        because: {reason}")
    lines.append(f"        provider: {change.provider}")
    if change.sid:
        lines.append(f"        sid: {change.sid}")
    if change.protect:
        lines.append("        protect: true")
    if change.action in (Action.CREATE, Action.REPLACE, Action.ADOPT):
        lines.extend(f"        {path}: {text}" for path, text in phrases.verbose_fields(change.after))
    return [f"{palette.dim}{line}{palette.off}" for line in lines]


def _drift(plan: Plan, palette: writer.Palette) -> list[str]:
    if not plan.drift:
        return []
    wide = min(_WIDEST, max(len(drift.address) for drift in plan.drift)) + 3
    lines: list[str] = []
    for header, rows in phrases.drift_groups(plan.drift):
        lines += [*([""] if lines else []), f"{palette.bold}{header}:{palette.off}"]
        previous = ""
        for address, line in rows:
            shown = "" if address == previous else address
            previous = address
            lines.append(f"    {shown.ljust(wide)}{line}")
    return lines


def _legend(changes: list[Change]) -> str:
    used = {change.action for change in changes}
    words = {GLYPHS[action]: "update live" if action is Action.UPDATE else action.value for action in GLYPHS if action in used}
    return "Signs: " + " · ".join(f"{glyph} {word}" for glyph, word in words.items())


def _closing(plan: Plan, changes: list[Change], palette: writer.Palette, width: int | None) -> list[str]:
    if not changes and not plan.errored:
        return ["Only outputs change."] if plan.changes_outputs else ["No changes."]
    line = capacities.capacity_line(plan.capacity)
    closing = [line] if width is None else writer.fold(line, width)
    if changes:
        time = f" {phrases.time_line(plan)}" if plan.steps else ""
        tally = f"Plan: {phrases.tally_line(plan)}."
        lines = [f"{tally}{time}"] if width is None else writer.fold(f"{tally}{time}", width)
        closing += [f"{palette.bold}{lines[0][: len(tally)]}{palette.off}{lines[0][len(tally) :]}", *lines[1:]]
    if not plan.complete:
        closing.append("Only a part of the stack was planned (--target, --exclude); plan without them to see the rest.")
    if plan.purge:
        closing.append("Deleted data is not kept (--purge).")
    blocked = sum(1 for change in changes if change.protected)
    if blocked:
        closing.append(
            f"{palette.red}Blocked: {_number(blocked, 'protected change')} in the way; this plan cannot be applied.{palette.off}"
        )
    errors = sum(1 for diagnostic in plan.diagnostics if diagnostic.is_error)
    if errors:
        closing.append(f"{palette.red}This plan cannot be applied: {_number(errors, 'error')}.{palette.off}")
    return closing


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
