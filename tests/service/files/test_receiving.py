"""Receiving uploads: any client's form, whatever its pieces; nothing stays behind, and memory stays bounded."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.models.problems import ProblemCode
from service.files.receiving import (
    MAX_OVERHEAD,
    MalformedUpload,
    receive,
)
from service.files.spooling import UploadTooLarge

FORM = "multipart/form-data; boundary=B"
PHOTO = bytes(range(256)) * 300


async def pieces(body: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def part(name: str, content: bytes, *, filename: str | None = None, more: str = "") -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"--B\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--B--\r\n"


FILE = part("file", PHOTO, filename="photo.jpg")


async def refused(directory: Path, body: bytes, content_type: str = FORM) -> MalformedUpload:
    with pytest.raises(MalformedUpload) as caught:
        async with receive(pieces(body), content_type, max_bytes=10**6, directory=directory):
            pytest.fail("nothing should have been received")
    assert list(directory.iterdir()) == []
    assert caught.value.code is ProblemCode.INVALID_REQUEST
    return caught.value


@pytest.mark.parametrize("size", [1, 7, 1000, 65_536, 10**6])
async def test_a_form_is_received_in_pieces_of_any_size(tmp_path: Path, size: int) -> None:
    body = b"preamble\r\n" + form(part("purpose", b" source \n"), FILE) + b"epilogue"
    async with receive(pieces(body, size), FORM, max_bytes=len(PHOTO), directory=tmp_path) as received:
        assert received.path.read_bytes() == PHOTO
        assert received.path.parent == tmp_path
        assert received.path.stat().st_mode & 0o777 == 0o600
        assert (received.filename, received.purpose, received.size) == ("photo.jpg", "source", len(PHOTO))
        assert received.sha256 == hashlib.sha256(PHOTO).hexdigest()
    assert list(tmp_path.iterdir()) == []


async def test_what_a_real_client_sends_is_received(tmp_path: Path) -> None:
    request = httpx.Request(
        "POST", "http://x", files={"file": ('Grüße "aus" Köln.jpg', PHOTO, "image/jpeg")}, data={"purpose": "Für Oma"}
    )
    body = request.read()
    async with receive(pieces(body), request.headers["content-type"], max_bytes=10**6, directory=tmp_path) as received:
        assert received.filename == 'Grüße "aus" Köln.jpg'
        assert received.purpose == "Für Oma"
        assert received.size == len(PHOTO)


async def test_the_system_directory_is_used_when_none_is_given() -> None:
    async with receive(pieces(form(FILE)), FORM, max_bytes=10**6) as received:
        assert received.path.exists()
        assert received.purpose is None
    assert not received.path.exists()


async def test_the_file_goes_when_the_caller_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="storage is away"):  # noqa: PT012 - the failure inside is the point
        async with receive(pieces(form(FILE)), FORM, max_bytes=10**6, directory=tmp_path) as received:
            assert received.path.exists()
            raise RuntimeError("storage is away")
    assert list(tmp_path.iterdir()) == []


async def test_the_file_goes_when_the_caller_removed_it_already(tmp_path: Path) -> None:
    async with receive(pieces(form(FILE)), FORM, max_bytes=10**6, directory=tmp_path) as received:
        received.path.unlink()
    assert list(tmp_path.iterdir()) == []


async def test_a_client_that_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    async def hang_up() -> AsyncIterator[bytes]:
        yield form(FILE)[:20_000]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        async with receive(hang_up(), FORM, max_bytes=10**6, directory=tmp_path):
            pytest.fail("nothing should have been received")
    assert list(tmp_path.iterdir()) == []


async def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def stall() -> AsyncIterator[bytes]:
        yield part("file", bytes(10**6), filename="a.jpg")
        waiting.set()
        await asyncio.Event().wait()

    async def upload() -> None:
        async with receive(stall(), FORM, max_bytes=10**7, directory=tmp_path):
            pytest.fail("nothing should have been received")

    task = asyncio.create_task(upload())
    await waiting.wait()
    assert len(list(tmp_path.iterdir())) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(form(part("purpose", b"x")), "file", id="no file"),
        pytest.param(b"--B--\r\n", "file", id="no parts"),
        pytest.param(form(part("file", b"")), "file", id="no text instead of a file"),
        pytest.param(form(part("file", b"", filename="")), "file", id="no file chosen"),
        pytest.param(form(FILE, FILE), "file", id="two files"),
        pytest.param(form(FILE, part("mode", b"x")), "mode", id="unknown part"),
        pytest.param(form(part("mo\0de\n", b"x"), FILE), "mode", id="control characters in a name"),
        pytest.param(form(part("", b"x"), FILE), "body", id="part without a name"),
        pytest.param(form(FILE, part("purpose", b"a"), part("purpose", b"b")), "purpose", id="two purposes"),
        pytest.param(form(part("purpose", b"x" * 101), FILE), "purpose", id="long purpose"),
        pytest.param(form(part("purpose", b"x" * 100 + b"\0"), FILE), "purpose", id="long purpose, as it was sent"),
        pytest.param(form(part("purpose", b"x" * 100_000), FILE), "purpose", id="very long purpose"),
        pytest.param(form(part("purpose", b"\xff\xfe"), FILE), "purpose", id="purpose in no known encoding"),
        pytest.param(b"", "body", id="nothing"),
        pytest.param(FILE, "body", id="cut off after the file"),
        pytest.param(FILE[:5000], "body", id="cut off in the file"),
        pytest.param(FILE[:20], "body", id="cut off in a header"),
        pytest.param(b"just some text", "body", id="no multipart"),
        pytest.param(b"--B\r\nContent-Disposition: attachment\r\n\r\nx\r\n--B--", "body", id="other disposition"),
        pytest.param(b"--B\r\nContent-Type: image/png\r\n\r\nx\r\n--B--", "body", id="no disposition"),
        pytest.param(b"--B\nContent-Disposition: form-data; name=file\n\nx", "body", id="bare line feeds"),
        pytest.param(form(part("file", b"x", filename="a", more="X\r\n")), "body", id="header without a colon"),
        pytest.param(form(part("file", b"x", filename="a", more="Content-Length: 9\r\n")), "body", id="wrong length"),
        pytest.param(form(part("file", b"x", filename="a", more="X: y\r\n" * 20)), "body", id="many headers"),
        pytest.param(form(part("file", b"x", filename="a", more=f"X: {'y' * 70_000}\r\n")), "body", id="long header"),
        pytest.param(b"--B\r\n" + b"x" * 100_000, "body", id="endless header"),
        pytest.param(form(part("file", b"x", filename="a" * 70_000)), "body", id="endless name"),
        pytest.param(form(part("x" * 3000, b"x"), FILE), "x" * 40, id="long part name"),
        pytest.param(form(*[part("file", b"x", filename="a")] * 1000), "file", id="many parts"),
    ],
)
async def test_other_bodies_are_refused_and_leave_nothing(tmp_path: Path, body: bytes, field: str) -> None:
    error = await refused(tmp_path, body)
    assert error.field == field
    assert error.message.endswith(".")
    assert error.message.isprintable()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/mixed; boundary=B",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "B" * 201,
        'multipart/form-data; boundary="a\nb"',
        'multipart/form-data; boundary="\udcff"',
    ],
)
async def test_other_content_types_are_refused(tmp_path: Path, content_type: str) -> None:
    assert (await refused(tmp_path, form(FILE), content_type)).field == "Content-Type"


async def test_a_quoted_boundary_is_understood(tmp_path: Path) -> None:
    content_type = 'Multipart/Form-Data; charset=utf-8; boundary="B"'
    async with receive(pieces(form(FILE)), content_type, max_bytes=10**6, directory=tmp_path) as received:
        assert received.size == len(PHOTO)


async def test_too_large_is_said_as_soon_as_it_is_known(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        while True:
            sent += 10_000
            yield bytes(10_000)

    with pytest.raises(UploadTooLarge) as caught:
        async with receive(endless(), FORM, max_bytes=1_000_000, directory=tmp_path):
            pytest.fail("nothing should have been received")
    assert sent == 1_010_000
    assert caught.value.code is ProblemCode.FILE_TOO_LARGE
    assert "1,000,000 bytes" in caught.value.message
    assert list(tmp_path.iterdir()) == []


async def test_the_limit_is_the_files_and_exact(tmp_path: Path) -> None:
    body = form(part("purpose", b"x" * 100), part("file", bytes(5000), filename="a.jpg"))
    async with receive(pieces(body), FORM, max_bytes=5000, directory=tmp_path) as received:
        assert received.size == 5000
    with pytest.raises(UploadTooLarge):
        async with receive(pieces(body), FORM, max_bytes=4999, directory=tmp_path):
            pytest.fail("nothing should have been received")


@pytest.mark.parametrize("start", [b"", form(FILE)])
async def test_rubbish_around_the_parts_is_not_read_for_ever(tmp_path: Path, start: bytes) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield start
        while True:
            sent += 10_000
            yield b"\n" * 10_000

    with pytest.raises(MalformedUpload, match="too much besides its file"):
        async with receive(endless(), FORM, max_bytes=100_000, directory=tmp_path):
            pytest.fail("nothing should have been received")
    assert sent <= 100_000 + MAX_OVERHEAD + 10_000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("piece", [65_536, 4_000_000])
async def test_a_large_upload_takes_little_memory(tmp_path: Path, piece: int) -> None:
    async def large() -> AsyncIterator[bytes]:
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        content = bytes(piece)
        for _ in range(20_000_000 // piece):
            yield content
        yield b"\r\n--B--\r\n"

    tracemalloc.start()
    try:
        async with receive(large(), FORM, max_bytes=20_000_000, directory=tmp_path) as received:
            assert received.size == 20_000_000 // piece * piece
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - piece < 2_000_000


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
async def test_damage_anywhere_is_an_answer_and_never_a_crash(tmp_path: Path, data: st.DataObject) -> None:
    body = bytearray(form(part("purpose", b"source"), part("file", b"x" * 50, filename="a.jpg")))
    for position in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[position] = data.draw(st.integers(0, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    try:
        async with receive(pieces(bytes(body), 13), FORM, max_bytes=200, directory=tmp_path) as received:
            received.filename.encode()
    except MalformedUpload as error:
        error.message.encode()
    assert list(tmp_path.iterdir()) == []
