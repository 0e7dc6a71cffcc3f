"""What an import does with each record of a batch, given what is known about it here. Decides; writes nothing."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, TypeVar

from msgspec import Struct, field, structs

from service.legacy.records import Fields, Task, Unreadable, User, short_id
from service.legacy.records.rows import TaskRow
from service.legacy.records.values import fingerprint

Readable = TypeVar("Readable", TaskRow, User)

ADOPTED: Final = b""
"""The fingerprint of what came with the old system's tables, or with a task whose user was unknown."""


class KnownTask(Struct, frozen=True, gc=False):
    """What is here under a task's id. Without a fingerprint it was made here; `gone`: imported once, deleted here."""

    record_id: str
    fingerprint: bytes | None
    gone: bool
    used: bool
    open: bool
    """The old system still has it."""
    owned: bool
    """Not nobody's."""
    ended: bool
    moment: datetime | None
    """When it ended in the old system; of an unfinished one, when it last changed there."""


class KnownUser(Struct, frozen=True):
    """What is here under a user's id; `fingerprint` and `gone` as of tasks."""

    record_id: str
    fingerprint: bytes | None
    gone: bool
    used: bool
    """Its balance has changed here."""
    placeholder: bool
    """Only its id is known."""
    entries: bool
    """Its ledger has some."""
    opening: int
    """The balance that it was brought along with."""
    external: int
    """What the old system has changed about its balance here, in tables that were adopted: it knows of that."""
    total_credits_used: int


Known = TypeVar("Known", KnownTask, KnownUser)


class Kept(Struct, frozen=True):
    """What an earlier import found about a record."""

    record_id: str
    fingerprint: bytes
    verdict: str
    reasons: tuple[str, ...]


class Outcome(StrEnum):
    """What becomes of a record."""

    IMPORTED = "imported"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    """What is here stays: a task that was used or has ended here, or an account's balance; all else of it arrives."""
    GONE = "deleted here"
    QUARANTINED = "quarantined"


class Remark(Struct, frozen=True):
    """What is to be known about a record that was imported otherwise than it was, or that wasn't updated."""

    record_id: str
    reasons: tuple[str, ...]
    conflict: bool
    fingerprint: bytes
    original: Fields | None = None


def note(name: str, reason: str) -> Remark:
    """What is to be known about something that is no record: a file, a key, an id in the queue."""
    mark = fingerprint({name.encode(): reason.encode()})
    return Remark(short_id(name), (reason,), conflict=False, fingerprint=mark)


class Verdict(Struct, Generic[Readable], frozen=True):
    """What becomes of one record that is known here: `put` is what is written of it, `reason` why not all is."""

    outcome: Outcome
    put: Readable | None = None
    reason: str | None = None
    standing: bool = False
    """An earlier import found the same, and wrote it down."""


class Plan(Struct, Generic[Readable]):
    """What a batch leads to."""

    put: list[Readable] = field(default_factory=list[Readable])
    quarantine: list[Unreadable] = field(default_factory=list[Unreadable])
    conflicts: dict[str, tuple[Readable, str]] = field(default_factory=dict[str, tuple[Readable, str]])
    """Records that didn't arrive, or not wholly, and why."""
    standing: set[str] = field(default_factory=set[str])
    """Those of them of which an earlier import wrote the same down."""
    lost: dict[str, str] = field(default_factory=dict[str, str])
    """Adopted rows, as JSON, that are overwritten by other news of their tasks."""
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def remarks(self) -> list[Remark]:
        """What is to be known about records that were put otherwise than they stand there, or are in conflict."""
        put = {id_of(record) for record in self.put} if self.conflicts else set[str]()
        found = [
            Remark(record_id, (reason,), conflict=True, fingerprint=record.fingerprint, original=record.original)
            for record_id, (record, reason) in self.conflicts.items()
            if record_id not in put
        ]
        told = self.conflicts or self.lost
        for record in self.put:
            if not (told or record.remarks):
                continue
            record_id, reasons, original = id_of(record), record.remarks, record.original
            conflict = self.conflicts.get(record_id)
            if conflict is not None:
                reasons = (conflict[1], *reasons)
            if record_id in self.lost:
                reasons = (*reasons, ROW_LOST)
                original = original | {b"adopted row": self.lost[record_id].encode()}
            if reasons:
                found.append(Remark(record_id, reasons, conflict is not None, record.fingerprint, original))
        return found


USED_HERE: Final = "it has changed in the old system, and was used here meanwhile; what is here was kept"
MADE_HERE: Final = "there is another one of this id, made here; it was kept"
ENDED_HERE: Final = "it has ended here, and has not in the old system; what is here was kept"
LATER_HERE: Final = "what is here is later than what the old system has; it was kept"
ROW_LOST: Final = "the old Redis has other news of it than the old tables, which count; the row is kept with this"
BALANCE_KEPT: Final = "its balance has changed in the old system; the one here was kept, all else has arrived"


def plan(
    records: Iterable[Readable | Unreadable],
    known: Mapping[str, Known],
    kept: Iterable[Kept],
    judge: Callable[[Readable, Known], Verdict[Readable]],
    ours: Mapping[str, Collection[bytes]],
) -> Plan[Readable]:
    """Sort a batch's records by what is to be done with them; a record that comes twice counts once.

    `ours` are the fingerprints of what exports have written of them: what looks so says nothing that isn't known here.
    """
    quarantined = {one.record_id: one.fingerprint for one in kept if one.verdict == "quarantine"}
    result = Plan[Readable]()
    for record in records:
        record_id = id_of(record)
        if record_id in result.outcomes:
            continue
        here = known.get(record_id)
        if here is not None and (settled := _settled(here, record.fingerprint, ours.get(record_id, ()))):
            result.outcomes[record_id] = settled
        elif type(record) is Unreadable:
            result.outcomes[record_id] = Outcome.QUARANTINED
            if quarantined.get(record_id) != record.fingerprint:
                result.quarantine.append(record)
        elif here is None:
            result.outcomes[record_id] = Outcome.IMPORTED
            result.put.append(record)
        else:
            verdict = judge(record, here)
            result.outcomes[record_id] = verdict.outcome
            if verdict.put is not None:
                result.put.append(verdict.put)
            if verdict.reason is not None:
                result.conflicts[record_id] = (record, verdict.reason)
            if verdict.standing:
                result.standing.add(record_id)
    return result


def _settled(here: KnownTask | KnownUser, fingerprint: bytes, ours: Collection[bytes]) -> Outcome | None:
    """What becomes of a record whatever it says: it is gone here, or it was written from here."""
    if here.gone:
        return Outcome.GONE
    return Outcome.UNCHANGED if fingerprint in ours else None


def judge_task(record: TaskRow, known: KnownTask, *, same_clock: bool) -> Verdict[TaskRow]:
    """Of two records of one task an end beats no end, and then the later time counts; in doubt, the old Redis's.

    Times can be compared with those of an adopted row, and with those of an earlier import that read them in the same
    zone (`same_clock`).
    """
    if known.fingerprint == record.fingerprint:
        return Verdict(Outcome.UNCHANGED)
    if known.fingerprint is None:
        return Verdict(Outcome.CONFLICT, reason=MADE_HERE)
    if known.used:
        return Verdict(Outcome.CONFLICT, reason=USED_HERE)
    if known.ended and not record.status.ended:
        return Verdict(Outcome.CONFLICT, reason=ENDED_HERE)
    if known.ended == record.status.ended and (same_clock or known.fingerprint == ADOPTED):
        later = known.moment is not None and record.moment is not None and record.moment < known.moment
        if later:
            return Verdict(Outcome.CONFLICT, reason=LATER_HERE)
    return Verdict(Outcome.UPDATED, put=record)


def judge_user(record: User, known: KnownUser, *, switched: bool) -> Verdict[User]:
    """All of an account arrives but its balance, once that lives here: it has changed here, or the tasks have moved."""
    if known.fingerprint is None:
        return Verdict(Outcome.CONFLICT, reason=MADE_HERE)
    changed = known.fingerprint != record.fingerprint
    lives_here = known.used or (switched and (known.entries or not known.placeholder))
    if not lives_here:
        return Verdict(Outcome.UPDATED, put=record) if changed else Verdict(Outcome.UNCHANGED)
    kept = structs.replace(record, current_credits=known.opening, total_credits_used=known.total_credits_used)
    in_conflict = record.current_credits not in {known.opening, known.opening + known.external}
    if not changed and known.external:
        in_conflict = False  # what it says was settled when it was read; since then its system has written here itself
    return Verdict(
        Outcome.CONFLICT if in_conflict else Outcome.UPDATED if changed else Outcome.UNCHANGED,
        put=kept if changed else None,
        reason=BALANCE_KEPT if in_conflict else None,
        standing=in_conflict and not changed,
    )


def id_of(record: Task | TaskRow | User | Unreadable) -> str:
    """The id under which a record is known."""
    # By the class itself: isinstance() asks a struct's metaclass, which takes ten times as long.
    if type(record) is Unreadable:
        return record.record_id
    return record.user_id if type(record) is User else record.task_id
