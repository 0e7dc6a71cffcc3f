"""A typed function per statement of `schema/queries/legacy_verdicts.sql`."""

from collections.abc import Sequence

from service.database import Connection
from service.database.statements import load_queries
from service.legacy.records import Unreadable, whole
from service.legacy.records.planning import Kept, Remark
from service.legacy.store.columns import as_json, as_text

QUERIES = load_queries("legacy_verdicts")


async def kept_verdicts(connection: Connection, kind: str, record_ids: Sequence[str]) -> list[Kept]:
    return await QUERIES["kept_verdicts"].rows(connection, Kept, kind=kind, record_ids=record_ids)


async def put_in_quarantine(connection: Connection, kind: str, records: Sequence[Unreadable]) -> None:
    await QUERIES["put_in_quarantine"].run(
        connection,
        kind=kind,
        record_ids=[record.record_id for record in records],
        reasons=[record.reason for record in records],
        fields=[as_json(whole(record.fields)) for record in records],
        fingerprints=[record.fingerprint.hex() for record in records],
    )


async def release_from_quarantine(connection: Connection, kind: str, record_ids: Sequence[str]) -> None:
    await QUERIES["release_from_quarantine"].run(connection, kind=kind, record_ids=record_ids)


async def put_remarks(connection: Connection, kind: str, remarks: Sequence[Remark]) -> None:
    await QUERIES["put_remarks"].run(
        connection,
        kind=kind,
        record_ids=[remark.record_id for remark in remarks],
        reasons=["\n".join(remark.reasons) for remark in remarks],
        conflicts=[as_text(remark.conflict) for remark in remarks],
        fields=[None if remark.original is None else as_json(whole(remark.original)) for remark in remarks],
        fingerprints=[remark.fingerprint.hex() for remark in remarks],
    )


async def drop_remarks(connection: Connection, kind: str, record_ids: Sequence[str]) -> None:
    await QUERIES["drop_remarks"].run(connection, kind=kind, record_ids=record_ids)
