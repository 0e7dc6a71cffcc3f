"""Structured logs on stderr: for a person at a console, or one JSON object a line."""

import io
import json
import logging
import os
import sys
import textwrap
from typing import TextIO

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor

from service.telling.masking import without_secrets
from service.telling.printable import printable

_ENCODER = msgspec.json.Encoder(enc_hook=str)


def _render_json(_: object, __: str, event: EventDict) -> str:
    try:
        text = _ENCODER.encode(event).decode()
    except UnicodeEncodeError:
        # Half a character, which has no place in UTF-8.
        text = ""
    if text.isprintable() and text and "\\" not in text:
        # As nearly every line: nothing is to be spelled out.
        return text
    text = _ENCODER.encode(_spell_out(_, __, event)).decode()
    # JSON itself escapes only half of what a terminal obeys.
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1]


def _spell_out(_: object, __: str, event: EventDict) -> EventDict:
    """Nobody who can put a word into a log may write lines of its own with it, or colour an operator's terminal."""
    words = "".join([*event, *[value for value in event.values() if isinstance(value, str)]])
    if words.isprintable():
        return event
    return {
        printable(name): printable(value.rstrip()) if isinstance(value, str) else value for name, value in event.items()
    }


def _plain_traceback(out: TextIO, exc_info: ExcInfo) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    # Indented: no line of an error's words begins as one of ours does.
    out.write(textwrap.indent(printable(text.getvalue(), keep="\n"), "  "))


def _mask(_: object, __: str, line: EventDict | str) -> str:
    """The last processor: whatever a library puts into its errors, no secret reaches a log."""
    return without_secrets(str(line))


_who: dict[str, object] = {}


def sign_lines(**facts: object) -> None:
    """What every line of this process carries from now on, beside its number: which worker it is."""
    _who.update(facts)


def _sign(_: object, __: str, event: EventDict) -> EventDict:
    event.update(_who)
    return event


def set_up_logs(log_format: str) -> None:
    """Our own lines are written straight away; other libraries' come through `logging` in the same form.

    Call once per process. Tracebacks come without the values of variables, which may hold secrets.
    """
    sign_lines(pid=os.getpid())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _sign,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor]
    if log_format == "json":
        without_locals = ExceptionDictTransformer(show_locals=False)
        last = [structlog.processors.ExceptionRenderer(without_locals), _render_json]
    else:
        # No colours where a file reads.
        last = [
            _spell_out,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain_traceback),
        ]
    last.append(_mask)
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("uvicorn.access", "dramatiq", "asyncpg", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
