"""An upload on its way in: multipart/form-data, streamed to a temporary file whatever its size."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,  # pyright: ignore[reportUnknownVariableType] - the library leaves this one untyped
)

from schema.models.problems import ProblemCode
from service.files.naming import decoded, filename_in, printable
from service.files.spooling import Received, Spool, temporary
from service.refusals import Refused

MAX_PURPOSE = 100
"""Characters of the `purpose` part."""
MAX_OVERHEAD = 65_536
"""Bytes a body may have beyond its file: boundaries, headers, `purpose`, a preamble. A Content-Length above
`max_bytes + MAX_OVERHEAD` can be refused before anything is read."""

_PARSED_AT_ONCE: Final = 65_536
_MAX_BOUNDARY: Final = 200  # RFC 2046 allows 70


class MalformedUpload(Refused):
    """The body isn't the form we take; `field` is the part at fault, or `body`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(ProblemCode.INVALID_REQUEST, message, field=field)


@asynccontextmanager
async def receive(
    chunks: AsyncIterator[bytes], content_type: str, *, max_bytes: int, directory: Path | None = None
) -> AsyncGenerator[Received]:
    """Receive a form with a part `file` and perhaps a text part `purpose`, in bounded memory.

    The temporary file lies in `directory` (the system's when None), readable by its owner alone, and is removed however
    the context ends. What `chunks` raises passes through.

    Raises:
        UploadTooLarge: as soon as more than `max_bytes` of the file have come; the rest isn't read.
        MalformedUpload: anything else is wrong with the body.
    """
    parser = _parser(content_type)
    with temporary(directory) as file:
        form = _Form(Spool(file, max_bytes))
        try:
            await _feed(parser, chunks, form, max_bytes + MAX_OVERHEAD)
        except ParserLimitReached:
            raise MalformedUpload("body", "A part of the multipart body has too many or too long headers.") from None
        except MultipartError:
            raise MalformedUpload("body", "The multipart body is malformed: a boundary or a header is wrong.") from None
        try:
            parser.close()
        except MultipartError:
            raise MalformedUpload("body", "The multipart body is incomplete: its end is missing.") from None
        yield await form.finish()


def _parser(content_type: str) -> PushMultipartParser:
    kind, options = cast("tuple[str, dict[str, str]]", parse_options_header(content_type))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary or len(boundary) > _MAX_BOUNDARY:
        raise MalformedUpload("Content-Type", "Uploads take multipart/form-data with a boundary and a part named file.")
    try:
        return PushMultipartParser(
            # Latin-1: whatever bytes a name has, they are no reason to refuse it.
            boundary,
            header_charset="latin-1",
            max_header_size=MAX_OVERHEAD,
            max_header_count=8,
        )
    except (MultipartError, UnicodeEncodeError):
        raise MalformedUpload("Content-Type", "The multipart boundary isn't valid.") from None


async def _feed(parser: PushMultipartParser, chunks: AsyncIterator[bytes], form: "_Form", limit: int) -> None:
    """Parse every chunk into the form. Raises MultipartError, and what the form raises."""
    total = 0
    async for chunk in chunks:
        # A server may hand over what it has in one piece; the parser copies each piece it gets.
        for start in range(0, len(chunk), _PARSED_AT_ONCE):
            piece = chunk[start : start + _PARSED_AT_ONCE]
            total += len(piece)
            if total > limit:
                # The file itself was measured on its way: the excess lies before, between or after the parts.
                raise MalformedUpload("body", "The multipart body holds too much besides its file.")
            if parser.closed:
                continue
            for event in parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    form.begin(event)
                elif event is None:
                    form.end()
                else:
                    await form.add(bytes(event))


class _Form:
    """Takes the parts as they come: `file` to disk, `purpose` to a small buffer, anything else is refused."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.filename: str | None = None
        self.purpose: bytearray | None = None
        self.part = ""

    def begin(self, segment: MultipartSegment) -> None:
        """A part's headers are complete."""
        self.part = segment.name or ""
        if self.part == "file":
            if self.filename is not None:
                raise MalformedUpload("file", "One upload takes one file.")
            self.filename = filename_in(dict(segment.headerlist)["Content-Disposition"])
        elif self.part == "purpose":
            if self.purpose is not None:
                raise MalformedUpload("purpose", "The purpose may be given once.")
            self.purpose = bytearray()
        else:
            name = printable(decoded(self.part.encode("latin-1")))[:40]
            raise MalformedUpload(name or "body", f"Unknown part {name!r}: uploads take file and purpose.")

    async def add(self, data: bytes) -> None:
        """Some bytes of the current part."""
        if self.purpose is not None and self.part == "purpose":
            self.purpose += data
            if len(self.purpose) > 4 * MAX_PURPOSE:  # bytes: no character takes more than four
                raise _purpose_too_long()
            return
        await self.spool.add(data)

    def end(self) -> None:
        """The current part is complete."""
        self.part = ""

    async def finish(self) -> Received:
        """Everything came. Raises MalformedUpload when the file didn't."""
        if self.filename is None:
            raise MalformedUpload("file", "The part named file is missing.")
        if not self.filename and self.spool.size == 0:
            raise MalformedUpload("file", "The part named file holds no file.")
        return await self.spool.finish(self.filename, self._purpose())

    def _purpose(self) -> str | None:
        try:
            sent = (self.purpose or b"").decode()
        except UnicodeDecodeError:
            raise MalformedUpload("purpose", "The purpose isn't UTF-8 text.") from None
        return cleaned_purpose(sent)


def cleaned_purpose(sent: str | None) -> str | None:
    """What an upload is for, as it is kept. Raises MalformedUpload when it is too long."""
    if sent is not None and len(sent) > MAX_PURPOSE:
        raise _purpose_too_long()
    return printable(sent or "").strip() or None


def _purpose_too_long() -> MalformedUpload:
    return MalformedUpload("purpose", f"The purpose takes at most {MAX_PURPOSE} characters.")
