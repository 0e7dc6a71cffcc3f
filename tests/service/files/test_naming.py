"""Files' names: whatever a client calls its photo and however it spells that, the photo is taken."""

import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.files.naming import MAX_FILENAME, clean_filename, filename_in
from service.files.receiving import receive
from tests.service.files.test_receiving import FORM, pieces

DECOMPOSED = "e\u0301"
DOTNET = "=?utf-8?B?5YaZ55yfLmpwZw==?="


async def received_name(directory: Path, disposition: bytes) -> str:
    body = b"--B\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\nx\r\n--B--\r\n"
    async with receive(pieces(body), FORM, max_bytes=10, directory=directory) as received:
        return received.filename


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(b'name="file"; filename="photo.jpg"', "photo.jpg", id="a browser"),
        pytest.param(b'name="file"; filename="a%22b;c.jpg"', 'a"b;c.jpg', id="a browser, with quotes"),
        pytest.param(rb'name="file"; filename="a\"b.jpg"', 'a"b.jpg', id="quotes with backslashes"),
        pytest.param(rb'name="file"; filename="C:\photos\"', "unnamed", id="a path that ends with a backslash"),
        pytest.param("name=file; filename=Grüße Köln.jpg".encode(), "Grüße Köln.jpg", id="no quotes"),
        pytest.param(b"filename=a.jpg;name=file", "a.jpg", id="another order"),
        pytest.param(
            f"name=file; filename=\"{DOTNET}\"; filename*=utf-8''%E5%86%99%E7%9C%9F%20%E2%82%AC.jpg".encode(),
            "写真 €.jpg",
            id=".NET, both",
        ),
        pytest.param(f'name=file; filename="{DOTNET}"'.encode(), "写真.jpg", id="encoded words alone"),
        pytest.param(
            b'name=file; filename="=?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?q?_1.jpg?="', "Grüße 1.jpg", id="two words"
        ),
        pytest.param(b'name=file; filename="=?utf-8?B?x?="', "=?utf-8?B?x?=", id="a broken word"),
        pytest.param(b"name=file; filename*=UTF-8''Gr%C3%BC%C3%9Fe%2F..%2Fa.jpg", "a.jpg", id="RFC 5987 alone"),
        pytest.param(b"name=file; FileName*=iso-8859-1'de'Gr%FC%DFe.jpg", "Grüße.jpg", id="RFC 5987, Latin-1"),
        pytest.param(b"name=file; filename*=gbk''%D5%D5%C6%AC.jpg", "照片.jpg", id="RFC 5987, GBK"),
        pytest.param(b"name=file; filename*=punycode''a.jpg", "a.jpg", id="RFC 5987, no charset of text"),
        pytest.param(
            b"name=file; filename*=utf-8''%FF%FE.jpg; filename=b.jpg", "ÿþ.jpg", id="RFC 5987, not what it says"
        ),
        pytest.param(b"name=file; filename*=''; filename=b.jpg", "b.jpg", id="RFC 5987, empty"),
        pytest.param(b"name=file; filename*=a.jpg", "a.jpg", id="RFC 5987 without its marks"),
        pytest.param(
            b"name=file; filename*1*=%C3%9Fe; filename*0*=UTF-8''Gr%C3%BC; filename*2=\".jpg\"",
            "Grüße.jpg",
            id="RFC 2231",
        ),
        pytest.param(b'name=file; filename*0="ab"; filename*1="c.jpg"', "abc.jpg", id="RFC 2231, plain"),
        pytest.param(b"name=file; filename*1=x; filename=b.jpg", "b.jpg", id="RFC 2231 without a beginning"),
        pytest.param(b'name="file"; filename="Gr\xfc\xdfe.jpg"', "Grüße.jpg", id="Latin-1"),
        pytest.param(b'name="file"; filename="gr\xf6\xdfe Caf\xe9.jpg"', "größe Café.jpg", id="more Latin-1"),
        pytest.param(b'name="file"; filename="\x80 100\x99.jpg"', "€ 100™.jpg", id="Windows-1252"),
        pytest.param('name="file"; filename="照片.jpg"'.encode("gbk"), "照片.jpg", id="GBK"),
        pytest.param('name="file"; filename="天安门2024.jpg"'.encode("gbk"), "天安门2024.jpg", id="more GBK"),
        pytest.param('name="file"; filename="朱镕基.jpg"'.encode("gbk"), "朱镕基.jpg", id="GBK beyond GB 2312"),
        pytest.param('name="file"; filename="臺灣.jpg"'.encode("gbk"), "臺灣.jpg", id="GBK, traditional"),
        pytest.param('name="file"; filename="照片.jpg"'.encode(), "照片.jpg", id="UTF-8"),
        pytest.param(b'name="file"; filename="\x81\xff\x00.jpg"', "ÿ.jpg", id="bytes in no encoding"),
        pytest.param(b'name="file"; filename=""', "unnamed", id="empty"),
        pytest.param(b'name="file"; filename', "unnamed", id="without a value"),
        pytest.param(b'name="file"', "unnamed", id="none"),
        pytest.param(b'name="file";\r\n\tfilename="a.jpg"', "a.jpg", id="on a line of its own"),
        pytest.param(b'name="file"; filename="' + b"a" * 60_000 + b'.jpg"', "a" * 251 + ".jpg", id="60,000 characters"),
        pytest.param(b"name=file; filename*=utf-8''" + b"%C3%A5" * 10_000, "å" * 255, id="60,000 characters of bytes"),
    ],
)
async def test_a_photo_is_taken_whatever_its_name(tmp_path: Path, sent: bytes, kept: str) -> None:
    assert await received_name(tmp_path, sent) == kept


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\photo.png", "photo.png"),
        ("a/..", ""),
        ("..", ""),
        (". .", ""),
        ("folder/", ""),
        (" \t ", ""),
        ("\u200d", ""),
        ("a\0b\r\nc\x1b[31m\x7f.jpg", "abc[31m.jpg"),
        ("gpj.\u202etxt", "gpj.txt"),
        ("line\u2028break", "linebreak"),
        ("bytes of a disk \udcff.jpg", "bytes of a disk .jpg"),
        ("9.41\u202fAM\u3000\u00a0.png", "9.41 AM  .png"),
        ("\U0001f469\u200d\U0001f680.png", "\U0001f469\u200d\U0001f680.png"),
        ("ä" * 300, "ä" * 255),
        ("ä" * 300 + ".jpeg", "ä" * 250 + ".jpeg"),
        ("a" * 300 + "." + "b" * 300, "a" * 255),
        (DECOMPOSED * 300 + ".heic", "é" * 250 + ".heic"),
        ("e\u200b\u0301.jpg", "é.jpg"),
        ("写真.webp", "写真.webp"),
    ],
)
def test_names_are_cleaned(sent: str, kept: str) -> None:
    assert clean_filename(sent) == kept


@given(st.text())
def test_any_name_becomes_one_that_can_be_stored_and_shown(name: str) -> None:
    cleaned = clean_filename(name)
    assert len(cleaned) <= MAX_FILENAME
    assert not {"/", "\\", "\0"} & set(cleaned)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned.replace("\u200d", "").replace("\u200c", "").isprintable()
    assert clean_filename(cleaned) == cleaned
    cleaned.encode()


@given(st.binary())
def test_any_header_has_a_name_or_none(header: bytes) -> None:
    for start in ("form-data; filename=", "form-data; filename*=", 'form-data; filename="=?utf-8?Q?', "; filename*0*="):
        filename_in(start + header.decode("latin-1")).encode()


@pytest.mark.parametrize(
    "hostile",
    [
        "; filename*=utf-8''" + "e%CC%81%CC%A3" * 5000,
        "; filename*=utf-8''e" + "%CC%81%CC%A3" * 5000,
        '; filename="' + "=?utf-8?Q?" * 6000,
        '; filename="' + "=?utf-8?Q?a?=" * 5000 + '"',
        "; filename=" + "\\" * 60_000,
        '; a="\\' * 12_000,
        "; a=" * 15_000,
        "; " * 30_000,
        ";" + " " * 60_000,
        "; filename*=punycode''" + "a" * 30_000 + "-" + "9" * 30_000,
        "".join(f"; filename*{number}=x" for number in range(3000)),
        "; filename*" + "9" * 5000 + "=x",
    ],
)
def test_no_name_keeps_the_process_busy(hostile: str) -> None:
    started = time.process_time()
    filename_in("form-data" + hostile)
    assert time.process_time() - started < 0.3
