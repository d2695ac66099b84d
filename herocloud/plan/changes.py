"""What happens at one address: action, reason, impact, field diffs, and the steps that bring it about."""

from collections.abc import Callable, Mapping

from herocloud.kits import sizes
from herocloud.kits.jsons import Json, Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import guest_agreement, powers, specs
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Sid
from herocloud.model.plans import Change, FieldDiff
from herocloud.model.steps import RECORD_WRITE, STATE_PROVIDER, Claim, Step
from herocloud.model.words import Action, Impact
from herocloud.model.worlds import Resource
from herocloud.plan import (
    actions,
    assignment,
    beside,
    diagnostics,
    differences,
    half_made,
    lost_marks,
    name_steps,
    network_names,
    promised,
    resource_parts,
    snapshot_space,
    step_compiler,
    stray_names,
    volume_names,
)
from herocloud.plan.cases import Case, Parts
from herocloud.plan.image_room import ImageRoom
from herocloud.plan.spec_values import Valued
from herocloud.plan.step_compiler import Use
from herocloud.plan.step_sequence import StepSequence
from herocloud.plan.usage import counted, disk_of, use_of, use_of_parts
from herocloud.providers.seam import Verdict

_Judge = Callable[[str, Json, Json], Verdict]
_OF_THE_MACHINE = ("machine", "power", "disk.new", "seed.new")
"""What does not outlast a machine whose disk stays; what was prepared is placed or discarded."""
_HIDDEN = frozenset({"sid", "memory_options.boot"})
"""Values that follow from others and would only repeat them in a diff."""


class Decision(NamedTuple):
    """A change and its steps, before the order among changes is known."""

    change: Change
    steps: list[Step]


class Decider:
    """Decides address by address; shares the memory of diffs between them."""

    def __init__(self, found: list[Diagnostic], host: Host) -> None:
        """Collect what cannot be done in `found`; what a change costs depends on what `host` can do."""
        self._host = host
        self._differ = differences.Differ()
        self._contents: dict[tuple[int, ...], str] = {}
        self._found = found
        self._image_room = ImageRoom(host)
        self.volumes: Mapping[str, str] = {}
        """The names of volumes by those of their files."""
        self.made_as: Mapping[str, str] = {}
        """The names that the files of volumes have or get."""
        self.networks: Mapping[str, str] = {}
        """The new names of networks by their old ones."""
        self.bridges: Mapping[str, str] = {}
        """The names that the bridges of networks have or get."""

    def decide(self, case: Case) -> Decision | None:
        """Decide one address; nothing when all is as wanted."""
        resource, valued = case.resource, case.valued
        if resource is None or valued is None:
            return self._remove(case)
        if self._settled(case, resource, valued):
            return None
        return self._bring_vm(case, valued) if case.kind == "vm" else self._bring_plain(case, resource, valued)

    def _settled(self, case: Case, resource: Resource, valued: Valued) -> bool:
        record = case.record
        return (
            record is not None
            and record.complete
            and not case.forced
            and not case.halves
            and case.moved_from is None
            and case.marked_as is None
            and record.spec == valued.spec
            and record.parts == case.present
            and not (case.kind == "vm" and case.leaves_hypervisor(valued.spec))
            and record.protect == resource.protect
            and record.needs == resource.depends_on
            and not volume_names.renamed_uses(case.present, self.volumes)
            and not network_names.relabels(record, case.present, self.networks)
        )

    def _bring_plain(self, case: Case, resource: Resource, valued: Valued) -> Decision:
        target = resource_parts.plain_parts(case.stack, case.kind, case.name, valued.spec)
        seq = StepSequence(case.address, case.roles)
        fields = self._fields(case, lambda *_: Verdict(Impact.LIVE))
        if case.kind == "volume":
            target = self._volume_target(case, resource, target["volume"])
        elif case.kind == "network":
            there = case.present.get("network") or {}
            target = {"network": {**target["network"], "bridge": there.get("bridge") or self.bridges[case.name]}}
        present = lost_marks.write_again(seq, case.present, None)
        name_steps.rename_marked(seq, case.kind, case.marked_as, case.present)
        step_compiler.compile_plain(seq, case.kind, present, target)
        promised.fill(seq, case.counted, case.present)
        if case.kind == "image":
            self._image_room.claim(seq, valued.spec)
        name_steps.come_first(seq)
        return self._decision(case, seq, fields, Impact.LIVE)

    def _volume_target(self, case: Case, resource: Resource, wanted: Part) -> dict[str, Part]:
        """Leave a volume where it lies, whatever it is called now, and never make it smaller."""
        recorded = case.record.parts.get("volume") if case.record else None
        there = case.present.get("volume") or recorded
        if there is None:
            folder = wanted["path"].rpartition("/")[0]
            return {"volume": {**wanted, "path": f"{folder}/{self.made_as.get(case.name, case.name)}.raw"}}
        if case.record is not None and case.record.spec["size"] <= wanted["size"] < there["size"]:
            # Somebody made its file larger, and the stack asked for nothing smaller.
            return {"volume": {**wanted, "path": there["path"], "size": there["size"]}}
        before = max(there["size"], recorded["size"] if recorded and case.present else 0)
        if before > wanted["size"] != there["size"]:
            smaller = f"from {sizes.format_size(before)} to {sizes.format_size(wanted['size'])}"
            why = f"a volume does not shrink {smaller}; its file system would lose data. Make a smaller volume beside it and copy"
            self._found.append(diagnostics.cannot_change(case.address, "size", why, resource.place))
            return {"volume": there}
        return {"volume": {**wanted, "path": there["path"]}}

    def _bring_vm(self, case: Case, valued: Valued) -> Decision:
        record, present = case.record, case.present
        judge = assignment.judge_of(valued.spec["hypervisor"], self._host)
        machine = present.get("machine")
        target = resource_parts.vm_parts(specs.vm(valued.spec), specs.image(case.image), self._contents)
        paused = step_compiler.stays_paused(present, target)

        def verdict(path: str, before: Json, after: Json) -> Verdict:
            judged = judge(path, before, after, valued.spec, machine)
            silent = paused and judged.impact is Impact.LIVE and guest_agreement.is_asked(path, before, after)
            return Verdict(Impact.REBOOT, guest_agreement.PAUSED) if silent else judged

        fields = self._fields(case, verdict)
        # Where neither a machine nor its disk is left, nothing can be interrupted or lost any more.
        left = "machine" in present or "disk" in present
        worst = max((field.impact for field in fields), default=Impact.LIVE) if left else Impact.LIVE
        kept = _with_grown_disk(case, valued, target)
        worst = max(worst, resource_parts.disk_impact(present, kept))
        if case.leaves_hypervisor(valued.spec):
            worst = max(worst, Impact.REPLACE)
        elif resource_parts.is_as_wanted(present, kept):
            # The record is older than what it speaks of: the machine is what the file asks for, so it is only written down.
            worst = Impact.LIVE
        if case.forced:
            worst = Impact.DATA if "disk" in present else max(worst, Impact.REPLACE)
        providers = {**case.roles, "hypervisor": valued.spec["hypervisor"]}
        seq = StepSequence(case.address, providers)
        present = lost_marks.write_again(seq, present, case.run_by)
        name_steps.rename_marked(seq, "vm", case.marked_as, present)
        present = name_steps.relabel_cards(seq, record, present, self.networks)
        # What is adopted fills the host already, and was counted with what has no record.
        use, old = use_of(valued.spec), counted(case.counted, present) if case.counted else use_of_parts(present)
        if worst >= Impact.REPLACE and present:
            self._replace(seq, case._replace(present=present), target, use, old, worst)
        else:
            target = kept
            cold = step_compiler.needs_power_cycle(present, target, lambda *value: verdict(*value).impact)
            worst = max(worst, Impact.REBOOT) if cold else min(worst, Impact.LIVE)
            if not cold:
                # Nothing runs that would be cycled, or nothing of the machine differs.
                fields = tuple(field._replace(impact=worst, why="") if field.impact is Impact.REBOOT else field for field in fields)
            step_compiler.compile_vm(seq, present, target, use, cold=cold, old=old, halves=case.halves)
        promised.fill(seq, case.counted, case.present)
        promised.take_for_snapshots(seq, valued.spec, case.counted if record else None, present)
        name_steps.come_first(seq)
        note = guest_agreement.PAUSED if paused and step_compiler.asks_guest(present, target) else ""
        return self._decision(case, seq, fields, worst, "" if any(field.why == note for field in fields) else note)

    def _replace(self, seq: StepSequence, case: Case, target: Parts, use: Use, old: Use, worst: Impact) -> None:
        keep = worst is Impact.REPLACE
        before = case.run_by or (case.record.spec["hypervisor"] if case.record else None)
        left = {key: part for key, part in case.present.items() if keep and key not in _OF_THE_MACHINE}
        wanted = {part: target[part] for part in beside.PREPARED if part in target and left.get(part) != target[part]}
        if "machine" not in case.present or not case.beside or (keep and "disk" in left):
            # Without a machine nothing is interrupted; a root disk that stays is not made.
            wanted.pop("disk", None)
        if "machine" not in case.present:
            wanted.pop("seed", None)
        ready = beside.prepare(seq, case.present, wanted, halves=case.halves)
        gone = step_compiler.compile_removal(
            seq,
            case.present,
            old,
            keep_disk=keep,
            provider=before,
            gives_disk=case.purge,
            ready=ready,
            keep_snapshots=True,
            halves=case.halves,
        )
        mark = len(seq.steps)
        # What the removal gives back is taken again; what is counted and was gone before is still there to be filled.
        kept_use = Use() if "machine" in case.present else old
        cards = {part: case.halves[part] for part in half_made.cards(case.halves)} if keep else beside.NONE
        step_compiler.compile_vm(seq, left, target, use, cold=False, old=kept_use, placed=wanted, halves=cards)
        if gone is not None:
            seq.steps[mark:] = [step if step.needs else step._replace(needs=(gone,)) for step in seq.steps[mark:]]

    def _remove(self, case: Case) -> Decision | None:
        record = case.record
        if record is None:
            return None
        vm = case.kind == "vm"
        providers = {**case.roles, "hypervisor": record.spec.get("hypervisor", record.provider)} if vm else case.roles
        seq = StepSequence(case.address, providers)
        present = lost_marks.write_again(seq, case.present, case.run_by)
        name_steps.rename_marked(seq, case.kind, case.marked_as, case.present)
        if vm:
            beside.prepare(seq, case.present, {}, halves=case.halves)
            held = case.counted or record
            step_compiler.compile_removal(seq, present, counted(held, case.present), gives_disk=case.purge, halves=case.halves)
            if "machine" not in case.present:
                # What the record is counted for is given back although nothing of it is left to be removed.
                step_compiler.claim(seq, Claim(), counted(held, case.present).claim())
            step_compiler.claim(seq, Claim(), Claim(disk=snapshot_space.reserved(held.spec, held.parts)))
        else:
            step_compiler.compile_plain(seq, case.kind, present, None, case.halves)
            if not case.purge:
                seq.steps[:] = [step._replace(gives=Claim()) for step in seq.steps]
        name_steps.come_first(seq)
        promised.fill(seq, case.counted, case.present)
        data = case.kind == "volume" or "disk" in case.present
        impact = Impact.DATA if data and case.present else Impact.REPLACE if case.present else Impact.NONE
        removal = self._decision(case, seq, (), impact)
        return removal._replace(change=stray_names.noted(removal.change, case.stray_name))

    def _fields(self, case: Case, judge: _Judge) -> tuple[FieldDiff, ...]:
        """List what differs between record and target, and between record and world."""
        record = case.record or case.lost
        if record is None or case.valued is None or case.resource is None:
            return ()
        field_diffs: list[FieldDiff] = []
        for difference in self._differ.compare(record.spec, case.valued.spec):
            if difference.path in _HIDDEN:
                continue
            field_diffs.append(_field(difference, judge))
        if record.protect != case.resource.protect:
            field_diffs.append(FieldDiff("protect", record.protect, case.resource.protect))
        field_diffs.extend(differences.dependency_fields(record.needs, case.resource.depends_on, field_diffs))
        if record.parts != case.present and record.complete:
            field_diffs.extend(self._drift_fields(record.parts, case.present))
        if record.complete and case.halves:
            field_diffs.extend(half_made.fields(case.halves, record.parts))
        field_diffs.extend(volume_names.renamed_uses(case.present, self.volumes))
        field_diffs.extend(stray_names.fields(case.stray_name, case.address))
        return (*field_diffs, *network_names.fields(case.record, case.present, self.networks))

    def _drift_fields(self, recorded: Parts, present: Parts) -> list[FieldDiff]:
        """Say how the world differs; `before` is what is there, `after` what the record says and the plan restores."""
        return [differences.drift_field(difference) for difference in self._differ.compare(present, recorded)]

    def _boots_with(self, case: Case, provider: str) -> str:
        """Say what a machine that its hypervisor gave up boots on next."""
        known = self._host.abilities
        why = next((why for name, _, why in known.hypervisors if name == provider), "") if known is not None else ""
        how = why if why.startswith("with ") else f"on {why}"
        return f"boots again {how}" if why and case.present.get("power") in powers.GIVEN_UP else ""

    def _decision(self, case: Case, seq: StepSequence, fields: tuple[FieldDiff, ...], worst: Impact, why_down: str = "") -> Decision:
        """Make a change of the steps; `why_down` is why a machine is down for a moment, where no field says so."""
        if not seq.steps:
            seq.add(RECORD_WRITE, "record", None, None)
        steps = seq.finish()
        action, reason = actions.action_of(case, fields, worst, steps)
        impact = worst if action in (Action.UPDATE, Action.REBOOT, Action.REPLACE, Action.DELETE) else Impact.LIVE
        if action is Action.STOP:
            impact = Impact.STOP
        if action is Action.UPDATE:
            impact = Impact.NONE if name_steps.are_all(steps) else Impact.LIVE
        elif action in (Action.MOVE, Action.FORGET):
            impact = Impact.NONE
        record, valued = case.record, case.valued
        before = None if record is None or action is Action.CREATE else record.spec
        keeps_sid: Sid | None = (valued.sid if valued else None) or (record.sid if record else None)
        known = record or case.lost
        blocked = known is not None and known.protect and actions.is_forbidden(case, action)
        provider = steps[0].provider if steps[0].provider != STATE_PROVIDER else (record.provider if record else case.roles["images"])
        if case.kind == "vm" and valued is not None:
            provider = valued.spec["hypervisor"]
        change = Change(
            address=case.address,
            kind=case.kind,
            action=action,
            reason=reason,
            impact=impact,
            provider=provider,
            before=before,
            after=valued.spec if valued else None,
            fields=fields,
            previous_address=case.moved_from,
            sid=keeps_sid,
            protect=case.resource.protect if case.resource else False,
            protected=blocked,
            needs=case.resource.depends_on if case.resource else (),
            note=actions.note_of(case, action, impact, steps)
            or (self._boots_with(case, provider) or why_down if action is Action.REBOOT else ""),
            parts_before=case.present or None,
        )
        return Decision(change, steps)


def _with_grown_disk(case: Case, valued: Valued, target: dict[str, Part]) -> dict[str, Part]:
    """Leave a root disk as large as somebody made its file, unless the stack asks for a smaller one: what is in the new room may count."""
    there, wanted, record = case.present.get("disk"), target.get("disk"), case.record
    if there is None or wanted is None or record is None or case.forced or there["size"] <= wanted["size"]:
        return target
    if disk_of(record.spec) > disk_of(valued.spec):
        return target
    return {**target, "disk": {**wanted, "size": there["size"]}}


def _field(difference: differences.Difference, judge: _Judge) -> FieldDiff:
    verdict: Verdict = judge(difference.path, difference.before, difference.after)
    sensitive = difference.path.partition(".")[0] in differences.SENSITIVE
    return FieldDiff(difference.path, difference.before, difference.after, verdict.impact, verdict.why, sensitive=sensitive)
