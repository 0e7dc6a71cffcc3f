"""What a client calls its file: read in whatever spelling it comes, kept so that it can be stored and shown.

A photo is never refused for its name.
"""

import re
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header
from itertools import count
from typing import Final
from urllib.parse import unquote_to_bytes

from multipart import (
    content_disposition_unquote,  # pyright: ignore[reportUnknownVariableType] - the library leaves this one untyped
)

UNNAMED: Final = "unnamed"
"""A file whose name can't be shown."""
MAX_FILENAME: Final = 255
"""Characters of a file's name that are kept."""

_MAX_EXTENSION: Final = 20
_COMPOSED_OF: Final = 4  # characters that may become one in NFC
_JOINERS: Final = "\u200c\u200d"  # format characters that some scripts and emoji can't be spelled without
_UNSHOWN: Final = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}

_PARAMETER = re.compile(r';\s*([^\s=;"]{1,40})\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)', re.DOTALL)
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?]*\?=")
_BETWEEN_ENCODED_WORDS = re.compile(r"(?<=\?=)\s+(?==\?)")
_CHARSET = re.compile(
    r"(us-)?ascii|utf-?(8|16|32)|iso-?8859-?\d+|latin-?\d|(windows|cp)-?\d+|koi8-\w|gb\w+|big5|euc-\w+|shift[-_]jis",
    re.IGNORECASE,
)
_CHINESE = re.compile(rb"[\x81-\xfe]{3}|(?<![A-Za-z\x80-\xff])[\x81-\xfe][\x40-\x7e\x80-\xfe](?![A-Za-z])")
"""High bytes as GBK has them and Latin-1 hasn't: three in a row, or a pair that stands in no word."""


def filename_in(disposition: str) -> str:
    """The name in a part's Content-Disposition, whose bytes come as Latin-1; empty where it has none to show.

    `filename*` (RFC 5987), also in pieces (RFC 2231), is what its sender means; `filename` is for readers that don't
    know it, and may hold bytes in any encoding, or encoded words (RFC 2047) as .NET's does.
    """
    values: dict[str, str] = {
        match[1].lower(): content_disposition_unquote(match[2].strip()) for match in _PARAMETER.finditer(disposition)
    }
    return clean_filename(_extended(values)) or clean_filename(_plain(values.get("filename", "")))


def clean_filename(name: str) -> str:
    """The last component of a path: printable, in NFC, at most MAX_FILENAME characters and its extension among them."""
    stem, dot, extension = printable(re.split(r"[/\\]", name)[-1]).strip().rpartition(".")
    if len(extension) > _MAX_EXTENSION:
        stem, dot, extension = f"{stem}{dot}{extension}", "", ""
    extension = unicodedata.normalize("NFC", dot + extension)
    # Composing may take quadratic time: it is given no more than could be kept.
    stem = unicodedata.normalize("NFC", stem[: MAX_FILENAME * _COMPOSED_OF])
    name = (stem[: MAX_FILENAME - len(extension)] + extension).strip()
    return name if name.strip(". " + _JOINERS) else ""


def printable(text: str) -> str:
    """Without control, format (they turn text around), unassigned and surrogate characters; spaces are plain ones."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    return "" if category in _UNSHOWN and character not in _JOINERS else character


def decoded(sent: bytes, charset: str = "") -> str:
    """Text in the charset that it says it is in, or else in the one that it looks like."""
    if _CHARSET.fullmatch(charset):
        try:
            return sent.decode(charset)
        except (UnicodeDecodeError, LookupError):
            pass
    for likely in ("utf-8", "gb18030" if _CHINESE.search(sent) else "cp1252"):
        try:
            return sent.decode(likely)
        except UnicodeDecodeError:
            continue
    return sent.decode("latin-1")


def _extended(values: dict[str, str]) -> str:
    """`filename*=UTF-8''...`, or in pieces: `filename*0*=UTF-8''...; filename*1=...`."""
    names = ["filename*"] if "filename*" in values else []
    for number in count() if not names else ():
        piece = f"filename*{number}"
        if not {piece, f"{piece}*"} & values.keys():
            break
        names.append(f"{piece}*" if f"{piece}*" in values else piece)
    charset, sent = "", b""
    for name in names:
        value = values[name]
        if name == names[0] and name.endswith("*") and value.count("'") > 1:
            charset, _, value = value.split("'", 2)
        raw = value.encode("latin-1")
        sent += unquote_to_bytes(raw) if name.endswith("*") else raw
    return decoded(sent, charset)


def _plain(value: str) -> str:
    text = decoded(value.encode("latin-1"))
    return _ENCODED_WORD.sub(_decoded_word, _BETWEEN_ENCODED_WORDS.sub("", text))


def _decoded_word(word: re.Match[str]) -> str:
    try:
        return "".join(
            text if isinstance(text, str) else decoded(text, charset or "") for text, charset in decode_header(word[0])
        )
    except HeaderParseError:
        return word[0]
