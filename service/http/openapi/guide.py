"""How to use the API, in words: at the head of /docs, and as /llms.txt for programs that write programs."""

from functools import cache
from typing import Any

from litestar import MediaType, Response, get

from schema.models.edits import BASE_PRICE, CONFIG_TYPES, LONG_EDGE, QUALITY_FACTOR, SIZE_FACTOR, Mode
from schema.models.problems import STATUS, FailureCode
from service.http.openapi.answers import EXAMPLES as PROBLEMS
from service.http.openapi.edits import EXAMPLES as EDITS

CACHE_SECONDS = 3600

SUMMARY = "Edits photos of people as asynchronous tasks: another head, another background, another pose."

BEGIN = """Every request to `/api/v1` carries an API key (`dk_...`) or a JWT: `Authorization: Bearer dk_...`.
Upload a photo, create a task, read the picture. With `Prefer: wait=60` a create answers once the task has ended, or
after 60 seconds; later `GET /api/v1/tasks/{task_id}?wait=60` does. Failed and cancelled tasks give their credits back.

```python
import httpx

api = httpx.Client(base_url="http://127.0.0.1:8000", headers={"Authorization": "Bearer dk_..."}, timeout=90)


def upload(name):
    with open(name, "rb") as photo:
        return api.post("/api/v1/uploads", files={"file": photo}).raise_for_status().json()["file_id"]


def edit(name, **task):
    made = api.post("/api/v1/tasks", json=task, headers={"Prefer": "wait=60"}).raise_for_status().json()
    assert made["status"] == "done", made["error"]
    with open(name, "wb") as picture:
        picture.write(api.get(made["result"]["output_image"]).raise_for_status().content)
```
"""

FAILURES: dict[FailureCode, str] = {
    FailureCode.NO_FACE_DETECTED: "No face was found: take a photo that shows it from the front.",
    FailureCode.MULTIPLE_FACES_DETECTED: "Several faces: take a photo of one person.",
    FailureCode.NO_PERSON_DETECTED: "No person was found in the photo.",
    FailureCode.POSE_EXTRACTION_FAILED: "The pose can't be read: head to feet, from the front, arms off the body.",
    FailureCode.IMAGE_DECODE_FAILED: "The photo is damaged.",
    FailureCode.IMAGE_NOT_FOUND: "The photo is gone.",
    FailureCode.INVALID_CONFIG: "The engine can't do what `config` asks for.",
    FailureCode.ENGINE_NOT_AVAILABLE: "No engine makes this mode at the moment.",
    FailureCode.ENGINE_TIMEOUT: "The engine took too long.",
    FailureCode.ENGINE_RESPONSE_ERROR: "The engine gave no picture.",
    FailureCode.ENGINE_AUTH_FAILED: "The engine refused the operator's key.",
    FailureCode.PROCESSING_TIMEOUT: "The edit took longer than it may.",
    FailureCode.PROCESSING_FAILED: "The edit failed.",
    FailureCode.ATTEMPTS_EXHAUSTED: "The edit was interrupted too often.",
    FailureCode.RESULT_SAVE_FAILED: "The picture couldn't be kept.",
    FailureCode.DEADLINE_EXCEEDED: "The edit wasn't done by its deadline.",
}
"""What each means, in a few words; a task's own `error.message` says what its user can do."""

SOURCES = {Mode.BACKGROUND_CHANGE: "person.jpg", Mode.HEAD_SWAP: "portrait.jpg", Mode.POSE_CHANGE: "person.jpg"}


@cache
def guide() -> str:
    """The whole of it, in Markdown."""
    parts = [BEGIN, "## An example of each edit\n", _examples(), _config(), _problems(), _failures()]
    return "\n".join(parts)


@get("/llms.txt", include_in_schema=False, sync_to_thread=False)
def llms_txt() -> Response[str]:
    """The guide, and where to read on."""
    more = (
        "## More\n\n"
        "- [The API as OpenAPI 3.1](/openapi.json): every call, field and answer.\n"
        "- [Modes](/api/v1/modes): prices, presets, and the JSON Schema of each `config`; no key needed.\n"
        "- [Documentation to try](/docs)\n"
    )
    headers = {"Cache-Control": f"public, max-age={CACHE_SECONDS}"}
    return Response(f"# Darkroom\n\n> {SUMMARY}\n\n{guide()}\n{more}", media_type=MediaType.TEXT, headers=headers)


def _examples() -> str:
    lines: list[str] = []
    for name, body in EDITS.items():
        rest = "".join(f", {field}={value!r}" for field, value in body.items() if field != "mode")
        mode = Mode(body["mode"])
        suffix = "png" if body["config"].get("background_type") == "remove" else "jpg"
        target = f"{name.lower().replace(' ', '_')}.{suffix}"
        lines.append(f'edit("{target}", mode="{mode.value}", source_image=upload("{SOURCES[mode]}"){rest})')
    code = "\n".join(line.replace("'", '"') for line in lines)
    return (
        f"```python\n{code}\n```\n\n"
        "`reference_image` takes another upload: the new background, the figure whose clothes are worn, or somebody in "
        "the wanted pose.\n"
    )


def _config() -> str:
    sizes = ", ".join(f"`{size}` {edge} x{float(SIZE_FACTOR[size]):g}" for size, edge in LONG_EDGE.items())
    qualities = ", ".join(f"`{quality}` x{float(factor):g}" for quality, factor in QUALITY_FACTOR.items())
    rows = [
        f"| `{mode.value}` | {BASE_PRICE[mode]} | {', '.join(f'`{name}`' for name in _fields(CONFIG_TYPES[mode]))} |"
        for mode in Mode
    ]
    return "\n".join(
        [
            "## Modes, prices, `config`\n",
            "| mode | credits | fields of `config` |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"Times the quality ({qualities}) and the size asked for (long edge in pixels: {sizes}), rounded up.\n",
        ]
    )


def _fields(config: Any) -> tuple[str, ...]:
    return config.__struct_fields__


def _problems() -> str:
    rows = [f"| `{code.value}` | {STATUS[code]} | {_cell(detail)} |" for code, (detail, _) in PROBLEMS.items()]
    head = (
        "## Errors\n\n"
        "`application/problem+json` with a `code` for programs and a `detail` for people, for example:\n\n"
        "| code | status | detail |\n| --- | --- | --- |"
    )
    return "\n".join([head, *rows, ""])


def _failures() -> str:
    rows = [f"| `{code.value}` | {_cell(meaning)} |" for code, meaning in FAILURES.items()]
    head = (
        "A task that failed says why in `error.code`, and in `error.message` what to do:\n\n| code | |\n| --- | --- |"
    )
    return "\n".join([head, *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
