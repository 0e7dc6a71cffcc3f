"""/livez, /readyz and /metrics: for whoever keeps the process running and sends it requests."""

from http import HTTPStatus

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from service.health.readiness import Readiness
from service.http.services import Services
from service.operating.metrics import CONTENT_TYPE


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


@get("/livez", tags=["Health"], security=[{}])
async def livez() -> Alive:
    """The process is alive."""
    return Alive()


@get(
    "/readyz",
    tags=["Health"],
    security=[{}],
    responses={503: ResponseSpec(Readiness, generate_examples=False, description="A part that is needed is away.")},
)
async def readyz(
    services: NamedDependency[Services],
) -> Response[Readiness]:
    """Whether requests can be served, and which part is away if not."""
    readiness = await services.health.look()
    return Response(
        readiness,
        status_code=HTTPStatus.SERVICE_UNAVAILABLE if readiness.status == "unavailable" else HTTPStatus.OK,
        headers={"Cache-Control": "no-store"},
    )


@get("/metrics", media_type=CONTENT_TYPE, include_in_schema=False)
async def metrics(services: NamedDependency[Services]) -> str:
    """How long the line is and who works, for Prometheus. 503 while the database is away."""
    return await services.metrics.text()
