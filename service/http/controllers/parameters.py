"""Query parameters that several routes take, and what holds for all of them."""

from typing import Annotated, Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from service.cursors import CURSOR
from service.refusals import invalid

PageSize = Annotated[int, QueryParameter(ge=1, le=100)]
Cursor = Annotated[
    str | None,
    QueryParameter(
        description="next_cursor of the page before, with the same filters.",
        schema_extra={"pattern": f"^{CURSOR.pattern}(?!\\n)$"},
    ),
]


SIGNED = frozenset({"expires", "signature", "user"})
"""Of signed addresses: given twice they are no signature, which whoever verifies them says."""


async def refuse_repeated(request: Request[Any, Any, Any]) -> None:
    """Refuse what is given twice: one of them would be passed over in silence.

    Raises:
        Refused: INVALID_REQUEST naming the parameter.
    """
    handler = request.scope["route_handler"]
    if not request.scope["query_string"] or not isinstance(handler, HTTPRouteHandler):
        return
    for name in handler.parsed_fn_signature.parameters:
        if name not in SIGNED and len(request.query_params.getall(name, [])) > 1:
            raise invalid(name, "is given more than once; send it once")
