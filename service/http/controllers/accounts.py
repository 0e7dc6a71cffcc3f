"""/me: the account behind the token, and its credits."""

from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from msgspec.structs import asdict

from schema.models.accounts import LedgerPage, OwnAccount
from schema.models.problems import ProblemCode as Code
from service.accounts.credits import get_ledger
from service.accounts.users import get_account
from service.http.controllers.parameters import Cursor, PageSize
from service.http.openapi.answers import problem_specs
from service.http.services import Services

UserRequest = Request[str, Any, Any]


class AccountController(Controller):
    """What users see of themselves."""

    path = "/me"
    tags = ("Account",)

    @get(responses=problem_specs())
    async def get_me(self, request: UserRequest, services: NamedDependency[Services]) -> OwnAccount:
        """The account and its balance."""
        account = await get_account(services.pool, request.user)
        return OwnAccount(**asdict(account), events_url=services.event_urls.of_user(account.user_id))

    @get(
        "/credits",
        responses=problem_specs(
            Code.INVALID_REQUEST,
        ),
    )
    async def get_credits(
        self,
        request: UserRequest,
        services: NamedDependency[Services],
        cursor: Cursor = None,
        page_size: PageSize = 20,
    ) -> LedgerPage:
        """Every change of the balance, newest first."""
        return await get_ledger(services.pool, request.user, cursor=cursor, page_size=page_size)
