"""The document as Litestar makes it, completed with what can't be said at a handler."""

from collections.abc import Iterator
from typing import Any

from service.http.openapi.edits import type_edits
from service.http.openapi.headers import describe_headers
from service.http.openapi.links import link_operations

JSON = dict[str, Any]

PICTURES = ("image/jpeg", "image/png", "image/webp", "image/heic", "image/avif")
"""What files are."""
NOTHING = "204"

URLS = frozenset(
    ("url", "output_image", "thumbnail", "comparison_image", "face_image_url", "target_image_url", "events_url")
)
"""Fields of answers that hold a URL: relative to this server's, but with PUBLIC_URL or S3."""


def shaped(document: JSON) -> JSON:
    """The document, changed where it stands."""
    type_edits(document)
    for schema in document["components"]["schemas"].values():
        for name, described in schema.get("properties", {}).items():
            if name in URLS:
                described["format"] = "uri-reference"
    for operation in operations(document):
        for parameter in operation.get("parameters", []):
            parameter["schema"] = _without_null(parameter["schema"])
        _say_what_may_be_left_out(operation.get("requestBody", {}))
        for status, response in operation["responses"].items():
            _name_pictures(response)
            if status == NOTHING:
                response.pop("content", None)
        describe_headers(operation)
    link_operations({operation["operationId"]: operation for operation in operations(document)})
    return document


def operations(document: JSON) -> Iterator[JSON]:
    """Every operation there is."""
    for path in document["paths"].values():
        yield from path.values()


def _without_null(schema: JSON) -> JSON:
    """A parameter is there or it isn't: no request can spell null."""
    kinds = [kind for kind in schema.get("oneOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    plain = {name: value for name, value in schema.items() if name != "oneOf"} | kinds[0]
    if "enum" in plain:
        plain["enum"] = [value for value in plain["enum"] if value is not None]
    return plain


def _say_what_may_be_left_out(body: JSON) -> None:
    """A body that a handler takes None for need not be sent; Litestar says it must."""
    described = body.get("content", {}).get("application/json", {})
    if {"type": "null"} in described.get("schema", {}).get("oneOf", []):
        body["required"] = False
        described["schema"] = _without_null(described["schema"])


def _name_pictures(response: JSON) -> None:
    """Generators know no wildcards, and that bytes aren't text only if they are told."""
    content = response.get("content", {})
    if "image/*" in content:
        response["content"] = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURES}
