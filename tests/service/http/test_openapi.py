"""/openapi.json and /docs: true, whole, and served from here alone."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from schema.models.problems import STATUS, Problem
from tests.service.http.serving import API, JSON

PUBLIC = {f"{API}/modes", "/livez", "/readyz"}

ROUTES = {
    ("post", "/uploads"): "400 401 413 415",
    ("post", "/upload"): "400 401 413 415",
    ("get", "/files/{file_id}"): "401 403 404",
    ("delete", "/files/{file_id}"): "401 404 409",
    ("post", "/tasks"): "400 401 402 404 422 429 503",
    ("get", "/tasks"): "400 401",
    ("get", "/tasks/history"): "400 401",
    ("get", "/tasks/stats"): "401",
    ("get", "/tasks/{task_id}"): "400 401 404",
    ("delete", "/tasks/{task_id}"): "401 404 409",
    ("post", "/tasks/{task_id}/cancel"): "401 404 409",
    ("post", "/tasks/{task_id}/retry"): "400 401 402 404 409 422 429 503",
    ("get", "/me"): "401",
    ("get", "/me/credits"): "400 401",
}
"""What each private route may refuse with, besides 429, 500 and 503."""


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
    assert document["security"] == [{"bearer": []}]
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
    assert list(document["paths"][f"{API}/files/{{file_id}}"]["get"]["responses"]["200"]["content"]) == ["image/*"]
    new_task = document["components"]["schemas"]["NewTask"]
    assert set(new_task["required"]) == {"mode", "source_image"}


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
