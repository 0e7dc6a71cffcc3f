"""Signed URLs: the same for an hour, valid for one to two, for one file, and useless in anybody else's hands."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.models.problems import ProblemCode
from service.files import urls as urls_module
from service.files.storage import Storage
from service.files.urls import FileUrls
from service.signing import BadSignature, Signer, expiry

KEYS = ("a-secret-key-of-ours", "an-older-secret-key")
NOW = datetime(2026, 3, 1, 12, 20, 5, tzinfo=UTC)
FILE = "file_0123abcd"
KEY = "ab/cdef.jpg"


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    return Storage.made(tmp_path.as_uri())


@pytest.fixture
def urls(local: Storage) -> FileUrls:
    return FileUrls(KEYS, None, local)


def query(url: str) -> tuple[str, str]:
    values = parse_qs(urlsplit(url).query)
    return values["expires"][0], values["signature"][0]


def test_a_url_is_root_relative_and_verifies(urls: FileUrls) -> None:
    url = urls.url(FILE, KEY, now=NOW)
    assert url.startswith(f"/api/v1/files/{FILE}?expires=")
    urls.verify(FILE, *query(url), now=NOW)


@pytest.mark.parametrize("public", ["https://photos.example.com", "https://photos.example.com/"])
def test_a_public_url_makes_it_absolute(local: Storage, public: str) -> None:
    absolute = FileUrls(KEYS, public, local).url(FILE, KEY, now=NOW)
    assert absolute == "https://photos.example.com" + FileUrls(KEYS, None, local).url(FILE, KEY, now=NOW)


def test_the_same_url_comes_out_all_through_an_hour_and_another_after_it(urls: FileUrls) -> None:
    hour = NOW.replace(minute=0, second=0)
    first = urls.url(FILE, KEY, now=hour)
    assert urls.url(FILE, KEY, now=hour + timedelta(minutes=59, seconds=59, microseconds=999_999)) == first
    assert urls.url(FILE, KEY, now=hour + timedelta(hours=1)) != first


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), st.integers(1, 48))  # noqa: DTZ001
def test_it_is_valid_for_the_hours_asked_to_one_more(now: datetime, hours: int) -> None:
    left = expiry(now, hours) - now.timestamp()
    assert hours * 3600 < left <= (hours + 1) * 3600
    assert expiry(now, hours) % 3600 == 0


def test_it_stops_at_its_expiry(urls: FileUrls) -> None:
    expires, signature = query(urls.url(FILE, KEY, now=NOW))
    assert expires == str(int(datetime(2026, 3, 1, 14, tzinfo=UTC).timestamp()))
    urls.verify(FILE, expires, signature, now=datetime(2026, 3, 1, 13, 59, 59, 999_999, tzinfo=UTC))
    with pytest.raises(BadSignature) as caught:
        urls.verify(FILE, expires, signature, now=datetime(2026, 3, 1, 14, tzinfo=UTC))
    assert caught.value.code is ProblemCode.FORBIDDEN


def test_a_day_can_be_asked_for(urls: FileUrls) -> None:
    expires, signature = query(urls.url(FILE, KEY, now=NOW, hours=24))
    urls.verify(FILE, expires, signature, now=NOW + timedelta(hours=24))


def test_it_cannot_be_moved_or_extended(urls: FileUrls) -> None:
    expires, signature = query(urls.url(FILE, KEY, now=NOW))
    for file_id, until in (("file_other", expires), (FILE, str(int(expires) + 3600)), (FILE + "\n" + expires, expires)):
        with pytest.raises(BadSignature):
            urls.verify(file_id, until, signature, now=NOW)


@pytest.mark.parametrize("spelling", ["0{}", " {}", "{} ", "+{}", "{}.0", "{}\n", "-{}", "{}e0"])
def test_the_expiry_has_one_spelling(urls: FileUrls, spelling: str) -> None:
    expires, signature = query(urls.url(FILE, KEY, now=NOW))
    with pytest.raises(BadSignature):
        urls.verify(FILE, spelling.format(expires), signature, now=NOW)


def test_every_key_verifies_and_the_first_signs(local: Storage, urls: FileUrls) -> None:
    older = FileUrls(KEYS[1:], None, local)
    urls.verify(FILE, *query(older.url(FILE, KEY, now=NOW)), now=NOW)
    with pytest.raises(BadSignature):
        older.verify(FILE, *query(urls.url(FILE, KEY, now=NOW)), now=NOW)
    assert urls.url(FILE, KEY, now=NOW) == FileUrls(KEYS[:1], None, local).url(FILE, KEY, now=NOW)


def test_purposes_are_apart(urls: FileUrls) -> None:
    expires = expiry(NOW)
    for purpose, accepted in (("file", True), ("events", False), ("", False)):
        values = query("?" + Signer(KEYS, purpose).query(FILE, expires))
        if accepted:
            urls.verify(FILE, *values, now=NOW)
        else:
            with pytest.raises(BadSignature):
                urls.verify(FILE, *values, now=NOW)


def test_a_signer_without_keys_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Signer((), "file")


@pytest.mark.parametrize(
    ("expires", "signature"),
    [
        (None, None),
        ("1", None),
        (None, "x"),
        ("", ""),
        ("x", "x"),
        ("\u0661", "x"),
        ("9" * 5000, "x"),
        ("1", "ü\udcff"),
    ],
)
def test_garbage_is_refused(urls: FileUrls, expires: str | None, signature: str | None) -> None:
    with pytest.raises(BadSignature):
        urls.verify(FILE, expires, signature, now=NOW)


@given(st.text(), st.text(), st.text())
def test_whatever_comes_is_refused_and_never_crashes(file_id: str, expires: str, signature: str) -> None:
    signer = Signer(KEYS, "file")
    for until in (expires, "4102444800"):
        with pytest.raises(BadSignature):
            signer.verify(file_id, until, signature, now=NOW)
    for damaged in (signature, signature + "="):
        with pytest.raises(BadSignature):
            signer.verify(FILE + "\udcff", "4102444800", damaged, now=NOW)


def test_a_page_of_urls_takes_no_time(urls: FileUrls) -> None:
    started = time.perf_counter()
    for number in range(1000):
        urls.url(f"file_{number}", KEY, now=NOW)
    assert time.perf_counter() - started < 0.5  # 100 of them in 50 ms on a machine ten times slower than ours


async def test_a_bucket_gives_its_own_urls_which_stay_the_same(bucket: Callable[..., Storage]) -> None:
    storage = bucket()
    await storage.put_bytes(KEY, b"a picture", "image/png")
    urls = FileUrls(KEYS, "https://photos.example.com", storage)
    now = datetime.now(UTC)
    url = urls.url(FILE, KEY, now=now)
    assert url.startswith("http://127.0.0.1:")
    assert urls.url(FILE, KEY, now=now.replace(minute=59, second=59)) is url
    lifetime = int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])
    assert 3600 < lifetime <= 7200
    assert lifetime == expiry(now) - int(now.timestamp())
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).content == b"a picture"


def test_remembered_urls_are_bounded(bucket: Callable[..., Storage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls_module, "MAX_PRESIGNED", 10)
    urls = FileUrls(KEYS, None, bucket())
    first = urls.url(FILE, "0.jpg", now=NOW)
    assert urls.url(FILE, "0.jpg", now=NOW) is first
    for number in range(1, 11):
        urls.url(FILE, f"{number}.jpg", now=NOW)
    assert urls.url(FILE, "0.jpg", now=NOW) is not first
