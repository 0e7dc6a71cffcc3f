"""Query parameters that several routes take."""

from typing import Annotated

from litestar.params import QueryParameter

from service.cursors import CURSOR

PageSize = Annotated[int, QueryParameter(ge=1, le=100)]
Cursor = Annotated[
    str | None,
    QueryParameter(
        description="next_cursor of the page before, with the same filters.",
        schema_extra={"pattern": f"^{CURSOR.pattern}(?!\\n)$"},
    ),
]
