"""Names and ids that want to be paths, headers, other letters or simply too much."""

from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from schema.models.problems import ProblemCode as Code
from service.database import Connection
from tests.security.raw import send_raw
from tests.service.http.serving import API, PHOTO, Api, User, problem

ELSEWHERE = Path("/tmp/darkroom-was-here")  # noqa: S108 - it is to stay absent

NAMES = [
    "../../../../tmp/darkroom-was-here",
    "..\\..\\windows\\system32\\x.jpg",
    "/etc/passwd",
    "a\x00.jpg",
    "a.jpg\r\nSet-Cookie: session=stolen",
    "a.jpg\r\n\r\n<script>alert(1)</script>",
    '"; filename="b.jpg',
    "photo\u202egpj.exe",
    "\u2066a\u2069\u200e\ufeff.jpg",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "CON",
    ".",
    "-rf",
    "${jndi:ldap://127.0.0.1:1/x}",
    "{0.__class__} %s %n",
    "a" * 10_000 + ".jpg",
]


def form(name: str) -> tuple[bytes, str]:
    """An upload whose file has this very name, byte for byte."""
    boundary = "----0123456789abcdef"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="'.encode()
    return (
        head + name.encode() + b'"\r\nContent-Type: image/jpeg\r\n\r\n' + PHOTO + f"\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


@pytest.mark.parametrize("escaped", [False, True], ids=["bytes", "escaped"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
async def test_a_name_is_only_ever_shown(user: User, api: Api, db: Connection, name: str, escaped: bool) -> None:
    storage = Path(urlsplit(api.settings.storage_url).path)
    lines = len(api.log.read_text().splitlines())
    if escaped:
        answer = await user.upload(PHOTO, name)
    else:
        body, content_type = form(name)
        answer = await user.http.post(f"{API}/uploads", content=body, headers={"Content-Type": content_type})
    assert "set-cookie" not in answer.headers
    if answer.status_code == 201:
        file = answer.json()
        kept = file["filename"]
        assert 0 < len(kept) <= 255
        assert kept.isprintable() or set(kept) & set("\u200c\u200d")
        assert not set(kept) & set("/\\\r\n\x00\u202e\u2066")
        row = await db.fetchrow("SELECT filename, blob_key FROM files WHERE file_id = $1", file["file_id"])
        assert row is not None
        assert row["blob_key"] == f"{file['file_id'][-2:]}/{file['file_id']}"
        assert (storage / row["blob_key"]).read_bytes() == PHOTO
        loaded = await user.http.get(file["url"])
        assert loaded.headers["content-disposition"] == "inline"
        assert loaded.headers["x-content-type-options"] == "nosniff"
        assert loaded.headers["content-type"] == "image/jpeg"
    elif answer.status_code == 415:
        # An empty line ends the part's headers: what is left of the name stands before the photo.
        assert "\r\n\r\n" in name
        problem(answer, Code.INVALID_FILE_TYPE, 415)
    else:
        problem(answer, Code.INVALID_REQUEST, 400)
        assert len(answer.content) < 1000
    assert not ELSEWHERE.exists()  # noqa: ASYNC240 - a look at a local file
    written = api.log.read_text().splitlines()[lines:]
    assert len(written) <= 3
    assert all(line.startswith("20") for line in written)


IDS = [
    "../me",
    "..%2f..%2fme",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "....//....//etc/passwd",
    "..%5c..%5cx",
    "%252e%252e%252f",
    "file_a%00.jpg",
    "file_a%0d%0aSet-Cookie:x=y",
    "file_%F0%9F%98%80",
    "%c0%ae%c0%ae%c0%af",
    "a" * 5000,
]


@pytest.mark.parametrize("one", IDS, ids=lambda one: one[:20])
async def test_an_id_is_no_path(user: User, api: Api, one: str) -> None:
    """Sent as it is: clients tidy dots up before they send."""
    for pattern in ("files/{}", "tasks/{}", "tasks/{}/cancel"):
        method = "POST" if pattern.endswith("cancel") else "GET"
        target = f"{API}/{pattern.format(one)}"
        answer = await send_raw(
            api,
            [
                f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.api_key}\r\n"
                "Connection: close\r\nContent-Length: 0\r\n\r\n".encode()
            ],
        )
        assert answer.status in {400, 404, 405}, answer.text[:300]
        head = answer.text.partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nset-cookie" not in head
        assert b"root:" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "..%2f__init__.py",
        "%2e%2e/__init__.py",
        "../__init__.py",
        "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd",
    ],
)
async def test_the_docs_serve_their_own_files_alone(api: Api, path: str) -> None:
    for target in (f"/docs-assets/{path}", f"/docs-assets/{quote(path, safe='')}"):
        answer = await send_raw(api, [f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()])
        assert answer.status in {400, 404}, answer.text[:300]


async def test_an_id_ends_where_it_ends(user: User) -> None:
    """Python's $ would let a line break pass behind the last letter."""
    photo = await user.photo()
    for wrong in (photo + "\n", "\n" + photo, photo + "\x00", photo + "/.."):
        answer = await user.http.post(f"{API}/tasks", json={"mode": "BACKGROUND_CHANGE", "source_image": wrong})
        problem(answer, Code.INVALID_REQUEST, 400)
        config = {"background_type": "preset", "background_preset": "studio\n"}
        body = {"mode": "BACKGROUND_CHANGE", "source_image": photo, "config": config}
        problem(await user.http.post(f"{API}/tasks", json=body), Code.INVALID_REQUEST, 400)
