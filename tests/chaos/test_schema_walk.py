"""Every operation of /openapi.json, walked along with made-up and with real input: what is answered is what is told.

schemathesis makes the requests, the same ones every time: no error of the server's, and no status, content type,
header or body that the document doesn't have; what the document forbids is refused.
"""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from schema.models.accounts import Scope
from schema.models.edits import Mode
from schema.models.tasks import TaskStatus
from service.accounts.store import unbalanced_users
from service.accounts.users import create_user
from service.database import Connection
from service.settings import Settings
from tests.factories import add_task
from tests.seeds import THOROUGH
from tests.service.http.serving import API, PHOTO, Api, User, client_of, serving

CREDITS = 100_000_000
EACH = 40
"""Files, and tasks of each status, so that what one request ends others still find."""

EXAMPLES = 25 if THOROUGH else 8
"""Of what is made up for each operation, beside each case that the document itself holds."""
PATIENCE = 300.0
LEAST_LINKS = 3

UNLOGGED = {("GET", "/livez"), ("GET", "/readyz")}
"""These leave no line in the log."""

STREAMS = {
    ("GET", "/api/v1/tasks/events"),
    ("GET", "/api/v1/tasks/{task_id}/events"),
    ("GET", "/api/v1/operator/events"),
}
"""These don't end, and aren't walked: tests/service/http/test_events.py and test_operator.py have them."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
"""Not positive_data_acceptance: no schema can say that an upload is a photo, or that a cursor is one of ours."""


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Generator[Api]:
    """The API as it is, without the limits that would end the walk early."""
    extra = {"RATE_LIMIT_PER_MINUTE": "0", "MAX_PENDING_PER_USER": "1000000", "LOG_FORMAT": "json"}
    with serving(settings, tmp_path / "api.log", extra) as running:
        yield running


async def document_of(api: Api) -> dict[str, Any]:
    async with client_of(api) as client:
        return (await client.get("/openapi.json")).json()


async def prepare(api: Api, connection: Connection) -> tuple[str, dict[str, Any]]:
    """Somebody's key, and what of theirs the walk may use."""
    made = await create_user(connection, "walker@example.com", credits_=CREDITS, scope=Scope.ADMIN)
    async with client_of(api, made.api_key) as client:
        user = User(made.user_id, made.api_key, client)
        source = await user.photo()
        batch = await client.post(
            f"{API}/tasks/batch", json={"tasks": [{"mode": Mode.HEAD_SWAP, "source_image": source}]}
        )
        await client.post(f"{API}/me/webhooks/ping", json={"url": "https://receiver.example/hook"})
        (delivery,) = (await client.get(f"{API}/me/webhooks/deliveries")).json()["deliveries"]
        files = [(await user.upload(PHOTO)).json() for _ in range(EACH)]
    tasks = [
        (await add_task(connection, made.user_id, status, source_image=source)).task_id
        for _ in range(EACH)
        for status in TaskStatus
    ]
    return made.api_key, {
        "source": source,
        "key": made.api_key,
        "batch": batch.json()["batch_id"],
        "delivery": delivery["delivery_id"],
        "files": {file["file_id"]: dict(parse_qsl(urlsplit(str(file["url"])).query)) for file in files},
        "tasks": tasks,
    }


def walk(api: Api, key: str, known: dict[str, Any], cwd: Path) -> subprocess.CompletedProcess[str]:
    """One walk, along the way that its seed gives."""
    program = [sys.executable, "-m", "schemathesis.cli", "run", f"{api.base_url}/openapi.json"]
    options = [
        f"--header=Authorization: Bearer {key}",
        f"--checks={','.join(CHECKS)}",
        f"--max-examples={EXAMPLES}",
        "--phases=examples,coverage,fuzzing,stateful",
        "--generation-deterministic",
        "--continue-on-failure",
        "--workers=1",
        "--request-timeout=20",
        "--exclude-path-regex=/events$",
        "--warnings=off",
        "--no-color",
    ]
    return subprocess.run(
        [*program, *options],
        env={
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SCHEMATHESIS_HOOKS": "tests.chaos.walking",
            "SCHEMA_WALK_KNOWN": msgspec.json.encode(known).decode(),
        },
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def met(api: Api, document: dict[str, Any]) -> dict[tuple[str, str], set[int]]:
    """Which statuses each operation of the document has answered, by the service's own log."""
    operations = {
        (method.upper(), path): re.compile(re.sub(r"{\w+}", "[^/]+", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    statuses: dict[tuple[str, str], set[int]] = {operation: set() for operation in operations}
    for line in api.log.read_text().splitlines():
        entry = msgspec.json.decode(line)
        if entry["event"] != "request":
            continue
        # A literal path is meant before a pattern that would fit as well: /tasks/stats is nobody's task.
        named = (entry["method"], entry["path"])
        fitting = [one for one, path in operations.items() if one[0] == named[0] and path.fullmatch(named[1])]
        if fitting:
            statuses[named if named in fitting else fitting[0]].add(entry["status"])
    return statuses


async def test_what_is_answered_is_what_the_document_tells(api: Api, connection: Connection, tmp_path: Path) -> None:
    key, known = await prepare(api, connection)
    walked = walk(api, key, known, tmp_path)
    assert walked.returncode == 0, walked.stdout + walked.stderr
    statuses = met(api, await document_of(api))
    seen = set[int]().union(*statuses.values())
    # A walk that is refused everywhere, or that a check says nothing of, would prove nothing.
    assert {operation for operation, its in statuses.items() if not its & {200, 201, 202, 204}} == UNLOGGED | STREAMS
    assert seen >= {200, 201, 204, 400, 401, 404, 409}
    assert max(seen) < 500
    assert await unbalanced_users(connection, 1) == []
    # In the stateful phase the document's links led on from what was there: the hooks name nothing then.
    covered = re.search(r"API Links: +(\d+) covered", walked.stdout)
    assert covered is not None
    assert int(covered[1]) >= LEAST_LINKS


async def test_the_document_tells_what_filters_and_keys_take(api: Api) -> None:
    operations = (await document_of(api))["paths"]
    for path in ("/api/v1/tasks", "/api/v1/tasks/history"):
        told = {parameter["name"]: parameter["schema"] for parameter in operations[path]["get"]["parameters"]}
        assert set(told["status"]["enum"]) == {"all", *TaskStatus}
        assert set(told["mode"]["enum"]) == {"all", *Mode}
    for path in ("/api/v1/tasks", "/api/v1/tasks/{task_id}/retry"):
        (key,) = [one for one in operations[path]["post"]["parameters"] if one["name"] == "Idempotency-Key"]
        pattern = re.compile(key["schema"]["pattern"])
        assert pattern.search("x" * 255)
        assert pattern.search("!~")
        for wrong in ("", "x" * 256, "two words", "ü"):
            assert not pattern.search(wrong)


async def test_patterns_are_such_that_every_validator_reads_alike(api: Api) -> None:
    r"""A document's regular expressions are JavaScript's, in which Python's \A and \Z are the letters A and Z."""
    async with client_of(api) as client:
        texts = [(await client.get(path)).text for path in ("/openapi.json", "/api/v1/modes")]
    patterns = [pattern for text in texts for pattern in re.findall(r'"pattern":\s*"((?:[^"\\]|\\.)*)"', text)]
    assert len(patterns) >= 5
    assert [pattern for pattern in patterns if not (pattern.startswith("^") and pattern.endswith("$"))] == []
