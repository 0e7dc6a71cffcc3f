"""Structured logs on stderr: for a person at a console, or one JSON object a line."""

import logging
import sys

import msgspec
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from service.masking import without_secrets


def _to_json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def _mask(_: object, __: str, line: EventDict | str) -> str:
    """The last processor: whatever a library puts into its errors, no secret reaches a log."""
    return without_secrets(str(line))


def set_up_logs(log_format: str) -> None:
    """Our own lines are written straight away; other libraries' come through `logging` in the same form.

    Call once per process. Tracebacks come without the values of variables, which may hold secrets.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor]
    if log_format == "json":
        without_locals = ExceptionDictTransformer(show_locals=False)
        last = [
            structlog.processors.ExceptionRenderer(without_locals),
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
    else:
        # No colours where a file reads.
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
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
    for noisy in ("uvicorn.access", "dramatiq", "asyncpg"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
