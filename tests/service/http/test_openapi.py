"""/openapi.json and /docs: true, whole, and served from here alone."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from schema.models.edits import CONFIG_TYPES, PRESET_FIELDS, PRESETS, REFERENCE_FIELDS, Mode
from schema.models.problems import STATUS, FailureCode, Problem
from schema.models.problems import ProblemCode as Code
from service.http.openapi.edits import PLACEHOLDER
from tests.service.http.serving import API, JSON, PHOTO, User, problem

PUBLIC = {f"{API}/modes", "/livez", "/readyz"}

ROUTES = {
    ("post", "/uploads"): "400 401 413 415",
    ("post", "/upload"): "400 401 413 415",
    ("get", "/files/{file_id}"): "401 403 404",
    ("get", "/files"): "400 401",
    ("delete", "/files/{file_id}"): "401 404 409",
    ("post", "/tasks"): "400 401 402 404 422 429 503",
    ("post", "/tasks/batch"): "400 401 402 404 422 429 503",
    ("post", "/tasks/cancel"): "400 401 404",
    ("get", "/batches/{batch_id}"): "401 404",
    ("get", "/tasks"): "400 401",
    ("get", "/tasks/history"): "400 401",
    ("get", "/tasks/stats"): "401",
    ("get", "/tasks/{task_id}"): "400 401 404",
    ("delete", "/tasks/{task_id}"): "401 404 409",
    ("post", "/tasks/{task_id}/cancel"): "401 404 409",
    ("post", "/tasks/{task_id}/retry"): "400 401 402 404 409 422 429 503",
    ("get", "/tasks/events"): "400 401 403",
    ("get", "/tasks/{task_id}/events"): "400 401 403 404",
    ("get", "/tasks/{task_id}/timeline"): "401 404",
    ("get", "/me"): "401",
    ("get", "/me/credits"): "400 401",
}
"""What each private route may refuse with, besides 429, 500 and 503."""

OF_ANY_ANSWER = {
    *("date", "connection", "content-type", "content-length", "transfer-encoding", "cache-control", "vary"),
    *("x-content-type-options", "referrer-policy", "content-security-policy", "cross-origin-resource-policy"),
}
"""Headers that are HTTP's own, or a browser's guard, and that no client acts on."""


@pytest.fixture
async def document(anonymous: httpx.AsyncClient) -> JSON:
    answer = await anonymous.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json()


def operations(document: JSON) -> Iterator[tuple[str, str, JSON]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def values(node: Any, key: str) -> Iterator[Any]:
    """Everything that stands under this key, anywhere."""
    if isinstance(node, dict):
        for name, value in node.items():  # pyright: ignore[reportUnknownVariableType]
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]
            yield from values(value, key)


async def test_it_is_openapi_3_1_whose_references_lead_somewhere(document: JSON) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Darkroom"
    references = {str(reference) for reference in values(document, "$ref")}
    assert references
    for reference in references:
        node: Any = document
        assert reference.startswith("#/")
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert document["security"] == [{"bearer": []}, {"session": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_every_operation_is_described_and_named_once(document: JSON) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for _, path, operation in operations(document):
        assert operation["description"]
        assert all(response["description"] for response in operation["responses"].values())
        declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))


async def test_the_contracts_routes_are_all_there(document: JSON) -> None:
    there = {(method, path) for method, path, _ in operations(document)}
    assert {(method, API + path) for method, path in ROUTES} | {("get", path) for path in PUBLIC} <= there


async def test_every_route_lists_its_errors_as_problem_documents(document: JSON) -> None:
    for (method, path), codes in ROUTES.items():
        responses = document["paths"][API + path][method]["responses"]
        assert {*codes.split(), "429", "500", "503"} <= set(responses), (method, path)
    for _, path, operation in operations(document):
        if path in PUBLIC:
            continue
        for status, response in operation["responses"].items():
            if status >= "400" and "content" in response:
                (content,) = response["content"].items()
                assert content[0] == "application/problem+json"
                assert content[1]["schema"] == {"$ref": "#/components/schemas/Problem"}


async def test_every_example_of_a_problem_is_one(document: JSON) -> None:
    met: set[str] = set()
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                for name, example in content.get("examples", {}).items():
                    assert set(example) <= {"summary", "description", "value"}
                    assert media_type == "application/problem+json"
                    shown = msgspec.convert(example["value"], Problem)
                    assert (shown.code, shown.status, STATUS[shown.code]) == (name, int(status), int(status))
                    met.add(name)
    assert met >= {code.value for code in STATUS} - {"NOT_FOUND", "METHOD_NOT_ALLOWED"}


async def test_an_upload_is_a_form_and_a_file_a_picture(document: JSON) -> None:
    body = document["paths"][f"{API}/uploads"]["post"]["requestBody"]
    assert set(body["content"]["multipart/form-data"]["schema"]["properties"]) == {"file", "purpose"}
    read = document["paths"][f"{API}/files/{{file_id}}"]["get"]["responses"]
    for status in ("200", "206"):
        assert set(read[status]["content"]) == {"image/jpeg", "image/png", "image/webp", "image/heic", "image/avif"}
        for content in read[status]["content"].values():
            assert content["schema"] == {"type": "string", "format": "binary"}
    assert "image/*" not in msgspec.json.encode(document).decode()


async def test_every_example_of_a_task_is_one_once_its_photo_is_there(document: JSON, user: User) -> None:
    body = document["paths"][f"{API}/tasks"]["post"]["requestBody"]["content"]["application/json"]
    examples = [example["value"] for example in body["examples"].values()]
    assert {example["mode"] for example in examples} == set(Mode)
    problem(await user.http.post(f"{API}/tasks", json=examples[0]), Code.FILE_NOT_FOUND, 404)
    for example in examples:
        assert example["source_image"] == PLACEHOLDER
        sent = {**example, "source_image": await user.photo()}
        answer = await user.http.post(f"{API}/tasks", json=sent)
        assert answer.status_code == 201, answer.text
        assert answer.json()["config"] == example["config"]


async def test_the_docs_put_the_last_upload_in_its_place(anonymous: httpx.AsyncClient) -> None:
    script = (await anonymous.get("/docs-assets/start.js")).text
    assert PLACEHOLDER in script
    assert "{{" not in script
    assert (await anonymous.get("/docs-assets/swagger-ui-bundle.js")).headers["content-encoding"] == "gzip"


async def test_operations_are_named_as_a_program_would_call_them(document: JSON) -> None:
    names = {operation["operationId"] for _, _, operation in operations(document)}
    assert {"upload", "create_task", "get_task", "list_files", "get_me", "list_modes"} <= names
    assert all(re.fullmatch(r"[a-z_]{3,15}", name) for name in names)


async def test_a_config_is_typed_by_its_mode(document: JSON) -> None:
    schemas = document["components"]["schemas"]
    new = schemas["NewTask"]
    assert new["discriminator"]["propertyName"] == "mode"
    assert set(new["discriminator"]["mapping"]) == set(Mode)
    assert {one["$ref"] for one in new["oneOf"]} == set(new["discriminator"]["mapping"].values())
    for mode, reference in new["discriminator"]["mapping"].items():
        assert set(schemas[reference.rpartition("/")[2]]["required"]) == {"mode", "source_image"}
        variant = schemas[reference.rpartition("/")[2]]["properties"]
        assert variant["mode"]["enum"] == [mode]
        config = schemas[variant["config"]["$ref"].rpartition("/")[2]]
        assert set(config["properties"]) == set(CONFIG_TYPES[Mode(mode)].__struct_fields__)
        (presets,) = [one for one in config["properties"][PRESET_FIELDS[Mode(mode)]]["anyOf"] if "enum" in one]
        assert presets["enum"] == list(PRESETS[Mode(mode)])
    for task in ("Task", "HistoricTask"):
        assert len(schemas[task]["properties"]["config"]["anyOf"]) == len(Mode) + 1
    assert "ResultMetadata" in schemas["TaskResult"]["properties"]["metadata"]["anyOf"][0]["$ref"]


async def test_what_a_field_takes_by_itself_is_told(document: JSON) -> None:
    schemas = document["components"]["schemas"]
    for mode in Mode:
        properties = schemas[CONFIG_TYPES[mode].__name__]["properties"]
        aliases = set(REFERENCE_FIELDS[mode])
        assert all("Absent" in properties[name]["description"] for name in properties.keys() - aliases)


async def test_what_may_be_left_out_of_a_body_is_no_field_that_generators_demand(document: JSON) -> None:
    schemas, looked = document["components"]["schemas"], set[str]()

    def look(reference: str) -> None:
        name = reference.rpartition("/")[2]
        if name not in looked:
            looked.add(name)
            defaults = [field for field, told in schemas[name].get("properties", {}).items() if "default" in told]
            assert not defaults, (name, defaults)
            for further in values(schemas[name], "$ref"):
                look(further)

    for _, _, operation in operations(document):
        for reference in values(operation.get("requestBody", {}), "$ref"):
            look(reference)
    assert looked >= {"NewTask", "NewBatch", "NewRetry", *(kind.__name__ for kind in CONFIG_TYPES.values())}


async def test_parameters_are_there_or_not_and_never_null(document: JSON) -> None:
    for _, path, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert parameter["schema"]["type"] in {"string", "integer"}, (path, parameter["name"])
            if parameter["name"] == "cursor":
                assert re.search(parameter["schema"]["pattern"], "WzE3LCJ0YXNrIl0")
                assert not re.search(parameter["schema"]["pattern"], "a=")


async def test_headers_come_as_they_are_promised(document: JSON, user: User, anonymous: httpx.AsyncClient) -> None:
    file = (await user.upload(PHOTO)).json()
    task, batch, session = f"{API}/tasks", f"{API}/tasks/batch", f"{API}/session"
    key = {"Idempotency-Key": "headers"}
    body = {"mode": "HEAD_SWAP", "source_image": file["file_id"]}
    of_file = f"{API}/files/{{file_id}}"
    tag = (await user.http.get(str(file["url"]))).headers["etag"]
    answers = [
        (task, "post", await user.http.post(task, json=body, headers=key)),
        (task, "post", await user.http.post(task, json=body, headers=key)),
        (task, "post", await user.http.post(task, json={})),
        (batch, "post", await user.http.post(batch, json={"tasks": [body]}, headers=key)),
        (batch, "post", await user.http.post(batch, json={"tasks": [body]}, headers=key)),
        (session, "post", await anonymous.post(session, json={"token": user.api_key})),
        (session, "delete", await anonymous.delete(session)),
        (task, "get", await anonymous.get(task)),
        (task, "get", await user.http.get(task)),
        *[
            (of_file, "get", await anonymous.get(str(file["url"]), headers=headers))
            for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=999999-"}, {"If-None-Match": tag})
        ],
        (of_file, "get", await anonymous.get(str(file["url"]), headers={"If-Match": '"x"'})),
    ]
    assert {answer.status_code for _, _, answer in answers} == {200, 201, 204, 206, 304, 400, 401, 412, 416}
    for path, method, answer in answers:
        told = document["paths"][path][method]["responses"][str(answer.status_code)]["headers"]
        came = set(answer.headers)
        required = {name.lower() for name, header in told.items() if header["required"]}
        assert required <= came, (path, answer.status_code)
        assert came - {name.lower() for name in told} <= OF_ANY_ANSWER, (path, answer.status_code)


async def test_links_lead_to_operations_that_take_what_they_bring(document: JSON) -> None:
    named = {operation["operationId"]: operation for _, _, operation in operations(document)}
    links = [link for found in values(document, "links") for link in found.values()]
    assert len(links) >= 15
    for link in links:
        taken = {one["name"] for one in named[link["operationId"]].get("parameters", [])}
        assert set(link.get("parameters", {})) <= taken


async def test_what_needs_no_token_says_so(document: JSON) -> None:
    open_to_all = {path for _, path, operation in operations(document) if operation.get("security") == [{}]}
    assert open_to_all >= PUBLIC
    assert not any(path.startswith((f"{API}/tasks", f"{API}/me", f"{API}/upload")) for path in open_to_all)


async def test_the_docs_load_from_this_server_alone(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assets = [link for link in links if not link.startswith("data:")]
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/")
        assert not asset.startswith("//")
        assert (await anonymous.get(asset)).status_code == 200
    assert not re.search(r"@import|url\(\s*[\"']?https?:", page.text)


async def test_a_retry_needs_no_body(document: JSON) -> None:
    body = document["paths"][f"{API}/tasks/{{task_id}}/retry"]["post"]["requestBody"]
    assert not body["required"]
    assert body["content"]["application/json"]["schema"]["$ref"].endswith("/NewRetry")


async def test_the_guide_names_every_code_and_stands_in_the_document(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/llms.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("# Darkroom\n\n> ")
    for code in (*Code, *FailureCode):
        assert f"| `{code}` |" in answer.text
    for mode in Mode:
        assert f'mode="{mode}"' in answer.text
    document = (await anonymous.get("/openapi.json")).json()
    assert document["info"]["description"] in answer.text
