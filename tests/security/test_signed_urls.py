"""A signed URL opens one file until one time, to whoever reads it; nothing else, and nobody changes a byte of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.models.problems import ProblemCode as Code
from service.files.storage import Storage
from service.files.urls import FILES_PATH, FileUrls
from service.signing import BadSignature, Signer, expiry
from tests.service.http.conftest import SECRET_KEYS
from tests.service.http.serving import API, PHOTO, Api, User, client_of, problem

NOW = datetime(2026, 3, 1, 12, 20, tzinfo=UTC)
FILE = "file_01m85tsst0etv5x0yf8wqywp24"
URLS = FileUrls(SECRET_KEYS, None, Storage.open(Path("/tmp").as_uri()))  # noqa: S108 - nothing is written
URL = URLS.url(FILE, "24/x", now=NOW)


def opened(url: str, now: datetime = NOW) -> str | None:
    """The file that a URL opens, read as the server does; None where it opens none."""
    parts = urlsplit(url)
    values = parse_qs(parts.query, keep_blank_values=True)
    if not parts.path.startswith(FILES_PATH):
        return None
    file_id = parts.path.removeprefix(FILES_PATH)
    try:
        URLS.verify(file_id, values.get("expires", [""])[-1], values.get("signature", [""])[-1], now=now)
    except BadSignature:
        return None
    return file_id


def test_the_url_itself_opens_its_file() -> None:
    assert opened(URL) == FILE


@given(st.integers(0, len(URL) - 1), st.characters(max_codepoint=255))
def test_no_byte_can_be_another(position: int, character: str) -> None:
    changed = URL[:position] + character + URL[position + 1 :]
    assert changed == URL or opened(changed) is None


@given(st.integers(0, len(URL)), st.text(st.characters(max_codepoint=127), min_size=1, max_size=3))
def test_nothing_can_be_put_in(position: int, text: str) -> None:
    changed = URL[:position] + text + URL[position:]
    # Further parameters, or a fragment, are nobody's business: it is the same file until the same time.
    assert opened(changed) in {None, FILE}
    if opened(changed) == FILE:
        assert opened(changed, now=datetime.fromtimestamp(expiry(NOW), UTC)) is None


@given(st.integers(0, len(URL) - 1), st.integers(1, 40))
def test_nothing_can_be_left_out(position: int, length: int) -> None:
    assert opened(URL[:position] + URL[position + length :]) is None


@given(st.integers(1, 10_000), st.integers(1, 10_000_000))
def test_no_signature_serves_another_file_or_a_later_time(number: int, seconds: int) -> None:
    values = parse_qs(urlsplit(URL).query)
    expires, signature = values["expires"][0], values["signature"][0]
    assert opened(f"{FILES_PATH}{FILE[:-4]}{number:04}?expires={expires}&signature={signature}") is None
    assert opened(f"{FILES_PATH}{FILE}?expires={int(expires) + seconds}&signature={signature}") is None
    assert opened(URL, now=NOW + timedelta(hours=2, seconds=seconds)) is None


async def test_no_byte_can_be_another_for_the_running_service(user: User, anonymous: httpx.AsyncClient) -> None:
    url: str = (await user.upload(PHOTO)).json()["url"]
    assert (await anonymous.get(url)).content == PHOTO
    for position, letter in enumerate(url):
        changed = url[:position] + ("B" if letter != "B" else "C") + url[position + 1 :]
        answer = await anonymous.get(changed)
        assert answer.status_code in {401, 403, 404}, changed
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_signed_url_only_reads(user: User, anonymous: httpx.AsyncClient) -> None:
    file = (await user.upload(PHOTO)).json()
    query = urlsplit(str(file["url"])).query
    problem(await anonymous.delete(file["url"]), Code.UNAUTHORIZED, 401)
    for route in ("/me", "/tasks", "/tasks/stats", f"/tasks/{file['file_id']}"):
        problem(await anonymous.get(f"{API}{route}?{query}"), Code.UNAUTHORIZED, 401)
    for method in ("PUT", "PATCH", "POST"):
        problem(await anonymous.request(method, file["url"]), Code.METHOD_NOT_ALLOWED, 405)
    assert (await anonymous.get(file["url"])).content == PHOTO


async def test_a_signature_given_twice_extends_nothing(user: User, anonymous: httpx.AsyncClient) -> None:
    file = (await user.upload(PHOTO)).json()
    path = f"{API}/files/{file['file_id']}"
    past = expiry(datetime.now(UTC) - timedelta(hours=4))
    expired = Signer(SECRET_KEYS, "file").query(file["file_id"], past)
    later = expiry(datetime.now(UTC))
    for query in (expired, f"{expired}&expires={later}", f"expires={later}&{expired}", f"{expired}&signature=x"):
        problem(await anonymous.get(f"{path}?{query}"), Code.FORBIDDEN, 403)


async def test_an_owners_token_does_not_mend_a_bad_signature(user: User) -> None:
    """Otherwise a page would show links that work for one person and for nobody else."""
    file = (await user.upload(PHOTO)).json()
    problem(await user.http.get(file["url"][:-1] + "!"), Code.FORBIDDEN, 403)


@pytest.mark.parametrize("header", ["Referer", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override"])
async def test_no_header_changes_what_is_asked(api: Api, user: User, header: str) -> None:
    url: str = (await user.upload(PHOTO)).json()["url"]
    async with client_of(api) as client:
        problem(await client.get(f"{API}/me", headers={header: url}), Code.UNAUTHORIZED, 401)
        assert (await client.get(url, headers={header: "DELETE"})).status_code == 200
        assert (await client.get(url)).status_code == 200
