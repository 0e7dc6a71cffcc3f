"""/me/webhook-secret and /me/webhooks: what is told to one's receivers, and what with."""

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from schema.models.problems import ProblemCode as Code
from schema.models.webhooks import Delivery, DeliveryList, DeliveryRecord, DeliveryStatus, NewPing, WebhookSecret
from service.http.controllers.parameters import Cursor, PageSize
from service.http.openapi.answers import problem_specs
from service.http.problems import JSON_BODY_HANDLERS
from service.http.services import Services
from service.refusals import invalid

UserRequest = Request[str, Any, Any]

Status = Annotated[str | None, QueryParameter(schema_extra={"enum": list(DeliveryStatus)})]


class WebhookController(Controller):
    """One's own. The flow goes on in service/webhooks/service.py."""

    path = "/me"
    tags = ("Webhooks",)

    @get("/webhook-secret", responses=problem_specs())
    async def webhook_secret(self, request: UserRequest, services: NamedDependency[Services]) -> WebhookSecret:
        """What one's webhooks are signed with."""
        return WebhookSecret(await services.webhooks.secret(request.user))

    @post("/webhook-secret/rotate", status_code=HTTPStatus.OK, responses=problem_specs())
    async def rotate_secret(self, request: UserRequest, services: NamedDependency[Services]) -> WebhookSecret:
        """A new secret. For 24 hours webhooks are signed with the one before as well."""
        return WebhookSecret(await services.webhooks.rotate_secret(request.user))

    @get("/webhooks/deliveries", responses=problem_specs(Code.INVALID_REQUEST))
    async def list_deliveries(
        self,
        request: UserRequest,
        services: NamedDependency[Services],
        status: Status = None,
        cursor: Cursor = None,
        page_size: PageSize = 20,
    ) -> DeliveryList:
        """What was told, or is to be told, newest first."""
        records, pagination = await services.webhooks.list_deliveries(
            request.user, status=_status(status), cursor=cursor, page_size=page_size
        )
        return DeliveryList([_shown(record) for record in records], pagination)

    @post(
        "/webhooks/deliveries/{delivery_id:str}/redeliver",
        status_code=HTTPStatus.ACCEPTED,
        responses=problem_specs(Code.INVALID_REQUEST, Code.NOT_FOUND),
    )
    async def redeliver(
        self, request: UserRequest, delivery_id: FromPath[str], services: NamedDependency[Services]
    ) -> Delivery:
        """Tell it once more, with the same webhook-id, whether or not it was told."""
        return _shown(await services.webhooks.redeliver(request.user, delivery_id))

    @post(
        "/webhooks/ping",
        status_code=HTTPStatus.ACCEPTED,
        exception_handlers=JSON_BODY_HANDLERS,
        responses=problem_specs(Code.INVALID_REQUEST),
    )
    async def ping(
        self, request: UserRequest, data: JSONBody[NewPing], services: NamedDependency[Services]
    ) -> Delivery:
        """Send a webhook of the type `ping`, to try a receiver; the deliveries tell what came back."""
        return _shown(await services.webhooks.ping(request.user, data.url))


def _shown(record: DeliveryRecord) -> Delivery:
    return msgspec.convert(record, Delivery, from_attributes=True)


def _status(status: str | None) -> DeliveryStatus | None:
    try:
        return None if status is None else DeliveryStatus(status)
    except ValueError:
        raise invalid("status", f"takes one of {', '.join(DeliveryStatus)}") from None
