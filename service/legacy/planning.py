"""What an import does with each record of a batch, given what is known about it here. Decides; writes nothing."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct, field

from service.legacy.records import Fields, Task, Unreadable, User
from service.legacy.rows import TaskRow

Readable = TypeVar("Readable", TaskRow, User)


class Known(Struct, frozen=True):
    """What is here under a record's id. Without a fingerprint it was made here; `gone`: imported once, deleted here."""

    record_id: str
    fingerprint: bytes | None
    used: bool
    gone: bool
    open: bool
    """A task that the old system still has; an account of which only the id is known."""
    owned: bool
    """Not nobody's."""


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
    """It has changed in the old system, and was used here meanwhile: what is here stays."""
    GONE = "deleted here"
    QUARANTINED = "quarantined"


class Remark(Struct, frozen=True):
    """What is to be known about a record that was imported otherwise than it was, or that wasn't updated."""

    record_id: str
    reasons: tuple[str, ...]
    conflict: bool
    fingerprint: bytes
    original: Fields | None = None


class Plan(Struct, Generic[Readable]):
    """What a batch leads to."""

    put: list[Readable] = field(default_factory=list[Readable])
    quarantine: list[Unreadable] = field(default_factory=list[Unreadable])
    remarks: list[Remark] = field(default_factory=list[Remark])
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])


USED_HERE = "it has changed in the old system, and was used here meanwhile; what is here was kept"
MADE_HERE = "there is another one of this id, made here; it was kept"


def plan(records: Iterable[Readable | Unreadable], known: Mapping[str, Known], kept: Iterable[Kept]) -> Plan[Readable]:
    """Sort a batch's records by what is to be done with them; a record that comes twice counts once."""
    quarantined = {one.record_id: one.fingerprint for one in kept if one.verdict == "quarantine"}
    result = Plan[Readable]()
    for record in records:
        record_id = id_of(record)
        if record_id in result.outcomes:
            continue
        if isinstance(record, Unreadable):
            gone = record_id in known and known[record_id].gone
            result.outcomes[record_id] = Outcome.GONE if gone else Outcome.QUARANTINED
            if not gone and quarantined.get(record_id) != record.fingerprint:
                result.quarantine.append(record)
            continue
        outcome = _outcome(record, known.get(record_id))
        result.outcomes[record_id] = outcome
        if outcome in {Outcome.IMPORTED, Outcome.UPDATED}:
            result.put.append(record)
            if record.remarks:
                result.remarks.append(remark_on(record))
        elif outcome is Outcome.CONFLICT:
            made_here = known[record_id].fingerprint is None
            reasons = (MADE_HERE if made_here else USED_HERE,)
            result.remarks.append(Remark(record_id, reasons, conflict=True, fingerprint=record.fingerprint))
    return result


def remark_on(record: TaskRow | User) -> Remark:
    """What is to be known about a record that is read otherwise than it stands there."""
    record_id = id_of(record)
    return Remark(record_id, record.remarks, conflict=False, fingerprint=record.fingerprint, original=record.original)


def _outcome(record: TaskRow | User, known: Known | None) -> Outcome:
    if known is None:
        return Outcome.IMPORTED
    if known.gone:
        return Outcome.GONE
    if known.fingerprint == record.fingerprint:
        return Outcome.UNCHANGED
    if known.fingerprint is None or known.used:
        return Outcome.CONFLICT
    return Outcome.UPDATED


def id_of(record: Task | TaskRow | User | Unreadable) -> str:
    """The id under which a record is known."""
    if isinstance(record, Unreadable):
        return record.record_id
    return record.user_id if isinstance(record, User) else record.task_id
