"""What a walk along the document needs besides the document: photos that are some, ids that are somebody's.

Loaded by schemathesis itself, as the module that SCHEMATHESIS_HOOKS names; see test_schema_walk.py.
"""

import os
import re
from collections.abc import Callable
from itertools import count, cycle
from typing import Any

import msgspec
import schemathesis
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.transport.serialization import Binary

from schema.models.edits import Mode
from tests.service.http.pictures import jpeg, png_that_says

INVENTED = 3
"""One of so many valid cases stays as it was made up."""


class Known(msgspec.Struct, frozen=True):
    """What the walker has: a photo, a key, a batch, a webhook's delivery, signed files, tasks of every status."""

    source: str
    key: str
    batch: str
    delivery: str
    files: dict[str, dict[str, str]]
    tasks: list[str]


BARE: dict[str, Any] = {"reference_image": None, "config": {}, "webhook_url": None, "webhook_events": None}
"""What goes with any photo."""

WAITS = re.compile("[1-5]?[0-9]|60")

known = msgspec.json.decode(os.environ["SCHEMA_WALK_KNOWN"], type=Known)
tasks, files, cases = cycle(known.tasks), cycle(known.files), count()

SIGN_IN = ("POST", "/api/v1/session")
BODIES: dict[tuple[str, str], Callable[[], dict[str, Any]]] = {
    SIGN_IN: lambda: {"token": known.key},
    ("POST", "/api/v1/tasks/batch"): lambda: {"tasks": [{"mode": mode, "source_image": known.source} for mode in Mode]},
    ("POST", "/api/v1/tasks/cancel"): lambda: {"ids": [next(tasks), "task_of_nobody"]},
    ("POST", "/api/v1/me/webhooks/ping"): lambda: {"url": "https://receiver.example/hook"},
}
"""What no schema can make up."""

schemathesis.openapi.format("binary", st.sampled_from([Binary(jpeg()), Binary(png_that_says(64, 64)), Binary(b"x")]))


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], __: dict[str, Any]) -> None:
    """Put something real into most cases that are meant to be valid."""
    if case.meta is None:
        return
    meant_to_be_valid = case.meta.generation.mode is GenerationMode.POSITIVE
    path, body = case.path_parameters, case.body
    if WAITS.fullmatch(str(case.query.get("wait"))):
        # Nobody works here: a waiting task would be waited for all that time.
        if meant_to_be_valid:
            case.query["wait"] = "0"
        else:
            path["task_id"] = "task_of_nobody"
    if path.get("task_id") == "events":
        # Taken from the address of all of a user's events, where it is no task's id.
        path["task_id"] = "task_of_nobody"
    if isinstance(body, dict) and not isinstance(body.get("purpose", ""), str):
        # A form knows text alone, and what isn't would arrive as some: let it be wrong in a way that a form can be.
        body["purpose"] = "x" * 1000
    # In the stateful phase the document's links bring what is real.
    if meant_to_be_valid and case.meta.phase.name is not TestPhase.STATEFUL and next(cases) % INVENTED:
        _put_real_things_into(case)


def _put_real_things_into(case: schemathesis.Case[Any]) -> None:
    path, body = case.path_parameters, case.body
    if "task_id" in path:
        path["task_id"] = next(tasks)
    if "batch_id" in path:
        path["batch_id"] = known.batch
    if "delivery_id" in path:
        path["delivery_id"] = known.delivery
    if "file_id" in path:
        path["file_id"] = next(files)
        if case.query:
            case.query.update(known.files[path["file_id"]])
    if isinstance(body, dict) and "source_image" in body:
        body |= BARE | {"source_image": known.source}
    asked = case.operation.method.upper(), case.operation.path
    if asked in BODIES:
        case.body = BODIES[asked]()
    if asked == SIGN_IN:
        case.headers["Sec-Fetch-Site"] = "same-origin"
