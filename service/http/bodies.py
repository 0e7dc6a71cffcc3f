"""JSON bodies, taken at their word."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException
from litestar.handlers import HTTPRouteHandler

from service.refusals import invalid


class LiteralRequest(Request[Any, Any, Any]):
    """Its body says what it means: `"10"` is no number, nor is 1 true. Litestar reads it as it reads queries."""

    @property
    def content_length(self) -> int | None:
        """As the server's parser took it, which takes nothing but digits; without a mapping of all headers."""
        return next((int(value) for name, value in self.scope["headers"] if name == b"content-length"), None)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """As it came, which is how it is read: packed it would be told to be something else, and malformed."""
        packed = next((value for name, value in self.scope["headers"] if name == b"content-encoding"), b"identity")
        if packed.lower() != b"identity":
            raise invalid("Content-Encoding", "isn't taken: send the body as it is")
        async for chunk in super().stream():
            yield chunk

    async def json(self) -> Any:
        """The body.

        Raises:
            ValidationException: It isn't what the route takes.
        """
        said = await super().json()
        handler = self.scope["route_handler"]
        takes = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
        if takes is not None:
            try:
                msgspec.json.decode(await self.body() or b"null", type=takes.annotation)
            except msgspec.ValidationError as error:
                raise ValidationException(extra=[{"message": str(error), "key": "data"}]) from error
        return said
