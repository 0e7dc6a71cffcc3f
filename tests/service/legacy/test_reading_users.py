"""A user's copies become one account, or the reason why they can't; whatever becomes an account fits into the table."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.credits import MOST_CREDITS
from service.database import Connection
from service.legacy import store
from service.legacy.records import RawUser, Unreadable, User, whole
from service.legacy.records.comparing import compare_user
from service.legacy.records.tasks import Zone
from service.legacy.records.users import BY_EMAIL, BY_ID, email_in, named_by, read_user
from service.legacy.records.values import zone_of
from tests.service.legacy.moves import as_json, user_json

UTC_ZONE = Zone("UTC", UTC)
SHANGHAI = Zone("Asia/Shanghai", zone_of("Asia/Shanghai"))
ID = "usr_0123456789abcdef"
EMAIL = f"{ID}@example.com"
HASH = "$2b$12$abcdefghijklmnopqrstuv"
ID_KEY = BY_ID + ID.encode()
EMAIL_KEY = BY_EMAIL + EMAIL.encode()


def both(**said: Any) -> RawUser:
    """A user whose copies both say so."""
    copy = as_json(user_json(ID) | said).encode(errors="surrogatepass")
    return RawUser(ID, {ID_KEY: copy, EMAIL_KEY: copy})


def differing(of_id: dict[str, Any], of_email: dict[str, Any]) -> RawUser:
    return RawUser(
        ID, {ID_KEY: as_json(user_json(ID) | of_id).encode(), EMAIL_KEY: as_json(user_json(ID) | of_email).encode()}
    )


def read(record: RawUser, zone: Zone = UTC_ZONE) -> User:
    user = read_user(record, zone)
    assert isinstance(user, User), user
    return user


@pytest.mark.parametrize("zone", [UTC_ZONE, SHANGHAI], ids=["UTC", "Shanghai"])
def test_a_whole_user_is_read_as_it_stands_there(zone: Zone) -> None:
    user = read(both(), zone)
    assert user == User(
        user_id=ID,
        email=EMAIL,
        username="小明 😀",
        avatar=None,
        password_hash="$2b$12$abcdefghijklmnopqrstuv",
        has_password=True,
        is_active=True,
        signup_bonus_granted=True,
        current_plan_id="pro",
        plan_renew_at=datetime(2026, 1, 1, tzinfo=zone.info),
        current_credits=100,
        total_credits_used=300,
        created_at=datetime(2025, 1, 2, 3, 4, 5, 678_901, zone.info),
        last_login=datetime(2025, 12, 1, 10, tzinfo=zone.info),
        fingerprint=user.fingerprint,
        remarks=(),
        original=both().copies,
    )


LENIENT: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "numbers as text": (
        {"current_credits": "12", "total_credits_used": " 7.0 ", "is_active": "false", "has_password": 0},
        {"current_credits": 12, "total_credits_used": 7, "is_active": False, "has_password": False},
        None,
    ),
    "a balance below zero": ({"current_credits": -15}, {"current_credits": 0}, "negative (-15)"),
    "a balance below zero as text": ({"current_credits": "-15"}, {"current_credits": 0}, "negative (-15)"),
    "half a credit": ({"current_credits": 12.5}, {"current_credits": 13}, "current_credits is no whole number"),
    "half a credit as text": ({"current_credits": "12.5"}, {"current_credits": 13}, "current_credits is no whole"),
    "a balance beyond measure": (
        {"current_credits": 1e300},
        {"current_credits": MOST_CREDITS},
        "current_credits is more",
    ),
    "a balance beyond the most": (
        {"current_credits": MOST_CREDITS + 1},
        {"current_credits": MOST_CREDITS},
        "current_credits is more",
    ),
    "a balance that is no number": (
        {"current_credits": math.nan},
        {"current_credits": 0, "email": EMAIL},
        ": current_",
    ),
    "a NUL in a name": ({"username": "a\0b"}, {"username": None, "current_credits": 100}, ": username has a NUL"),
    "half a character": ({"username": "a\ud83d"}, {"username": None, "password_hash": HASH}, ": username has half"),
    "a balance in words": ({"current_credits": "much"}, {"current_credits": 0}, "current_credits"),
    "no balance": ({"current_credits": None, "total_credits_used": ""}, {"current_credits": 0}, None),
    "no email": ({"email": None}, {"email": None}, None),
    "a number for an email": ({"email": 7}, {"email": None}, "email is not text"),
    "an email of 3000 characters": ({"email": "x" * 3000}, {"email": None}, "email is too long"),
    "an email of spaces": ({"email": "  "}, {"email": None}, None),
    "a list for a name": ({"username": ["a"]}, {"username": None}, "username"),
    "no password": ({"password_hash": None, "has_password": None}, {"has_password": False}, None),
    "a password, and nobody says so": ({"has_password": None}, {"has_password": True}, None),
    "neither active nor not": ({"is_active": "perhaps"}, {"is_active": True}, "is_active"),
    "a login that is no time": ({"last_login": "yesterday"}, {"last_login": None}, "last_login"),
    "a number for a time": ({"created_at": 1764915114}, {"created_at": None}, "created_at"),
    "an id of nobody": ({"user_id": None}, {"user_id": ID}, None),
}


@pytest.mark.parametrize(("said", "expected", "remark"), LENIENT.values(), ids=LENIENT.keys())
def test_what_is_odd_is_read_and_remarked_on(
    said: dict[str, Any], expected: dict[str, Any], remark: str | None
) -> None:
    user = read(both(**said))
    assert {name: getattr(user, name) for name in expected} == expected
    assert [remark is not None and remark in words for words in user.remarks] == [True] * len(user.remarks)
    assert bool(user.remarks) is (remark is not None)


EARLIER, LATER = {"last_login": "2025-01-01T00:00:00"}, {"last_login": "2025-06-01T00:00:00+08:00"}
COPIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "more used, by the email's": (
        {"total_credits_used": 300} | LATER,
        {"total_credits_used": "340"} | EARLIER,
        "email",
    ),
    "more used, by the id's": ({"total_credits_used": 340} | EARLIER, {"total_credits_used": 300} | LATER, "id"),
    "as much used, later by the email's": (EARLIER, LATER, "email"),
    "the same, but for the balance": ({}, {}, "id"),
    "a login that is no time": ({"last_login": "soon"}, EARLIER, "email"),
}


@pytest.mark.parametrize(("of_id", "of_email", "counts"), COPIES.values(), ids=COPIES.keys())
def test_of_copies_that_disagree_one_counts(of_id: dict[str, Any], of_email: dict[str, Any], counts: str) -> None:
    user = read(differing({"current_credits": 1} | of_id, {"current_credits": 2} | of_email))
    assert user.current_credits == {"id": 1, "email": 2}[counts]
    assert len(user.remarks) == 1
    assert "its copies disagree in current_credits" in user.remarks[0]
    assert user.remarks[0].endswith(f"the one under its {counts} counts")


@pytest.mark.parametrize(
    ("of_id", "of_email"),
    [({"total_credits_used": 340}, {}), (LATER, EARLIER), ({"total_credits_used": 340} | LATER, EARLIER)],
    ids=["more used", "later", "both"],
)
def test_what_the_old_billing_leaves_behind_is_no_remark(of_id: dict[str, Any], of_email: dict[str, Any]) -> None:
    """It writes the copy under the id alone: that one is newer, and counts."""
    user = read(differing({"current_credits": 1} | of_id, {"current_credits": 2} | of_email))
    assert (user.current_credits, user.remarks) == (1, ())


def test_a_copy_that_cannot_be_read_leaves_the_other() -> None:
    torn = RawUser(ID, {ID_KEY: b'{"user_id": "usr_', EMAIL_KEY: both().copies[EMAIL_KEY]})
    assert read(torn).current_credits == 100
    assert read(torn).remarks == ("the copy under its id can't be read",)
    single = RawUser(ID, {EMAIL_KEY: both().copies[EMAIL_KEY]})
    assert read(single).remarks == ()


def test_an_email_whose_copy_is_another_users_is_theirs() -> None:
    claims = RawUser(
        ID, {ID_KEY: both().copies[ID_KEY], EMAIL_KEY: as_json(user_json("usr_other", email=EMAIL)).encode()}
    )
    user = read(claims)
    assert user.email is None
    assert user.remarks == (
        "the copy under its email names another user",
        "its email is another user's and was left out",
    )


def test_an_email_that_was_used_later_than_by_who_has_its_copy_is_asked_for() -> None:
    """Who gets it is settled when all have been read."""
    copy = as_json(user_json("usr_other", email=EMAIL) | EARLIER).encode()
    claims = RawUser(ID, {ID_KEY: as_json(user_json(ID) | LATER).encode(), EMAIL_KEY: copy})
    assert read(claims).email == EMAIL


UNFIT: dict[str, RawUser] = {
    "no copy that can be read": RawUser(ID, {ID_KEY: b"None", EMAIL_KEY: b"\xff"}),
    "another user's under its id": RawUser(ID, {ID_KEY: as_json(user_json("usr_other")).encode()}),
    "a dump": RawUser(ID, {ID_KEY: b"\x00\x03abc\x0b\x00"}),
    "a list": RawUser(ID, {ID_KEY: b"[]"}),
    "an id of 51 characters": RawUser("u" * 51, {BY_ID + b"u" * 51: as_json(user_json("u" * 51)).encode()}),
    "an empty id": RawUser("", {BY_ID: as_json(user_json("")).encode()}),
    "an id with a line break": RawUser("a\nb", {BY_ID + b"a\nb": as_json(user_json("a\nb")).encode()}),
    "an id with a NUL": RawUser(r"a\0", {BY_ID + b"a\0": as_json(user_json("a\0")).encode()}),
    "an id that is no text": RawUser(r"a\xff", {BY_ID + b"a\xff": as_json({"email": "a@example.com"}).encode()}),
    "nobody's": RawUser("user:email:a@example.com", {BY_EMAIL + b"a@example.com": b"None"}, nameless=True),
}


@pytest.mark.parametrize("record", UNFIT.values(), ids=UNFIT.keys())
def test_what_cannot_be_an_account_is_kept_whole_with_its_reason(record: RawUser) -> None:
    unfit = read_user(record, UTC_ZONE)
    assert isinstance(unfit, Unreadable)
    assert unfit.reason
    assert unfit.fields == record.copies


def test_what_is_kept_whole_can_be_put_together_again() -> None:
    fields = {
        b"text": "键 😀".encode(),
        b"nul": b"a\0b",
        b"bytes": b"\xff\xfe",
        b"\xff": b"1",
        rb"\xff": b"2",
        b"\0": b"3",
    }
    assert whole(fields) == {
        "text": "键 😀",
        "nul": {"base64": "YQBi"},
        "bytes": {"base64": "//4="},
        r"\xff": "1",
        r"\\xff": "2",
        r"\0": "3",
    }


ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""With NUL, and with halves of surrogate pairs."""

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.integers().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
STAMPS = st.datetimes().map(datetime.isoformat)
COPY = st.fixed_dictionaries(
    {},
    optional={
        "user_id": st.just(ID) | VALUES,
        "email": st.just(EMAIL) | st.text(max_size=400) | VALUES,
        **dict.fromkeys(("username", "avatar", "password_hash", "current_plan_id"), st.text(max_size=50) | VALUES),
        **dict.fromkeys(("has_password", "is_active", "signup_bonus_granted"), st.booleans() | VALUES),
        **dict.fromkeys(("current_credits", "total_credits_used"), st.integers(-100, 2 * MOST_CREDITS) | VALUES),
        **dict.fromkeys(("plan_renew_at", "created_at", "last_login"), STAMPS | VALUES),
    },
).map(lambda copy: json.dumps(copy).encode())
ANY_COPY = COPY | st.binary() | VALUES.map(lambda value: json.dumps(value).encode())
ANY_COPIES = st.dictionaries(st.sampled_from([ID_KEY, EMAIL_KEY, BY_EMAIL + b"old@example.com"]), ANY_COPY)
ZONES = st.sampled_from([UTC_ZONE, SHANGHAI])


@given(ANY_COPIES | st.dictionaries(st.binary(), ANY_COPY), st.just(ID) | st.text(max_size=300), ZONES)
def test_any_copies_are_an_account_or_kept_whole(copies: dict[bytes, bytes], user_id: str, zone: Zone) -> None:
    read_ = read_user(RawUser(user_id, copies), zone)
    if isinstance(read_, Unreadable):
        assert read_.fields == copies
        assert read_.reason
    assert len(whole(copies)) == len(copies)
    for copy in copies.values():
        assert named_by(copy) != ""
        assert email_in(copy) != ""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(copies=st.dictionaries(st.sampled_from([ID_KEY, EMAIL_KEY]), COPY, min_size=1), zone=ZONES)
async def test_whatever_becomes_an_account_can_be_written_and_is_read_back_as_it_is(
    connection: Connection, copies: dict[bytes, bytes], zone: Zone
) -> None:
    user = read_user(RawUser(ID, copies), zone)
    if isinstance(user, Unreadable):
        return
    transaction = connection.transaction()
    await transaction.start()
    try:
        await store.put_users(connection, [user])
        here = await store.imported_users(connection, [ID])
        assert compare_user(user, here[0], without_email=False, conflict=False) == {}
        await store.put_users(connection, [user])
        assert await store.imported_users(connection, [ID]) == here
    finally:
        await transaction.rollback()
