"""RunningHub's HTTP API: its calls, typed, and its errors as such. Nothing here knows of edits.

It answers HTTP 200 whatever happened; `code` 0 is success. The key travels in each body; no message and no log has it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import Struct

from actors.engines.workflows.calling import trusted_by
from actors.engines.workflows.loose import objects_in
from service.outbound.reaching import how_unreachable
from service.outbound.urls import UNREADABLE

T = TypeVar("T")

LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer: the largest is a workflow, with whatever its nodes hold as text."""

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 20.0
_CREATE_SECONDS = 38.0
"""Creates were seen to take half a minute."""
_UPLOAD_SECONDS = 180.0
"""Each bounds a whole call; a photo may go up slowly."""

_OK = 200
_TOO_MANY_REQUESTS = 429
_BAD_GATEWAY = range(500, 600)
_UNAUTHORIZED = (401, 403)

QUEUE_FULL = 421
UNAUTHORIZED = 802


class HubError(Exception):
    """RunningHub refused. `code` is its own, `says` its word for it, `data` what came along."""

    def __init__(self, code: int, says: str, data: Any = None) -> None:
        super().__init__(f"RunningHub answered {code} {says}")
        self.code = code
        self.says = says
        self.data = data


class HubAwayError(Exception):
    """It can't be reached, or answers nonsense, or `late`. `sent`: the call may have been carried out all the same."""

    def __init__(self, reason: str, *, sent: bool, late: bool = False) -> None:
        super().__init__(f"RunningHub is away: {reason}")
        self.sent = sent
        self.late = late


class NodeField(Struct, frozen=True, rename="camel"):
    """A value to put into a workflow, at a node's input."""

    node_id: str
    field_name: str
    field_value: Any


class Created(Struct, frozen=True, rename="camel"):
    """A task that was made. `prompt_tips` is JSON text, with what is wrong with the workflow's nodes.

    Whatever else those are: the task was made, and costs, so its id isn't lost over them.
    """

    task_id: str
    prompt_tips: Any = None


class HubOutput(Struct, frozen=True):
    """What a node made: a file. What else is told of it isn't needed."""

    file_url: str
    node_id: str


class Account(Struct, frozen=True, rename="camel"):
    """What is left of the key's money, and how many tasks it has there."""

    remain_coins: float | None = None
    remain_money: float | None = None
    currency: str | None = None
    current_task_counts: str | int | None = None

    @property
    def left(self) -> str | None:
        """What is left, in words; None where it doesn't say."""
        coins = f"{self.remain_coins:g} coins" if self.remain_coins is not None else ""
        money = f"{self.remain_money:g} {self.currency or ''}".strip() if self.remain_money is not None else ""
        return " and ".join(filter(None, (coins, money))) or None

    @property
    def broke(self) -> bool:
        """Whether it says that nothing is left."""
        told = [amount for amount in (self.remain_coins, self.remain_money) if amount is not None]
        return bool(told) and not any(amount > 0 for amount in told)

    @property
    def tasks(self) -> int | None:
        """None where it doesn't say."""
        count = str(self.current_task_counts)
        return int(count) if count.isdecimal() else None


class _Envelope(Struct, frozen=True):
    code: int
    msg: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Uploaded(Struct, frozen=True, rename="camel"):
    file_name: str


class _Exported(Struct, frozen=True):
    prompt: str | dict[str, Any]


class RunningHubApi:
    """One account's key at one base URL.

    Every call raises HubError where RunningHub refuses, and HubAwayError where it doesn't answer.
    """

    def __init__(self, base_url: str, key: str) -> None:
        self._key = key
        timeout = httpx.Timeout(None, connect=_CONNECT_SECONDS)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout, verify=trusted_by(base_url) or False)

    async def close(self) -> None:
        await self._http.aclose()

    async def upload(self, content: bytes, content_type: str) -> str:
        """Send a photo; the name under which a LoadImage node finds it."""
        name = f"photo.{content_type.partition('/')[2]}"
        request = self._http.build_request(
            "POST",
            "/task/openapi/upload",
            data={"apiKey": self._key, "fileType": "input"},
            files={"file": (name, content, content_type)},
        )
        return self._read(await self._answer(request, _UPLOAD_SECONDS), _Uploaded).file_name

    async def create(self, workflow_id: str, fields: list[NodeField]) -> Created:
        """Start a workflow, and pay for it. There is no key that would make a repetition harmless."""
        body = {"workflowId": workflow_id, "nodeInfoList": msgspec.to_builtins(fields), "addMetadata": False}
        return self._read(await self._post("/task/openapi/create", body, _CREATE_SECONDS), Created)

    async def outputs(self, task_id: str) -> list[HubOutput]:
        """What a task has made. Raises HubError with 804 and 813 while it runs and waits, 805 if it failed."""
        data = await self._post("/task/openapi/outputs", {"taskId": task_id})
        found: list[Any] = self._decoded(bytes(data), list[Any])
        files = [(one.get("fileUrl"), one.get("nodeId")) for one in objects_in(found)]
        return [
            HubOutput(url, "" if node is None else str(node)) for url, node in files if url and isinstance(url, str)
        ]

    async def cancel(self, task_id: str) -> None:
        """Stop a task, waiting or running; one that has ended stays as it is."""
        await self._post("/task/openapi/cancel", {"taskId": task_id})

    async def workflow(self, workflow_id: str) -> dict[str, Any]:
        """A workflow in API format, with the titles of its nodes."""
        body = {"workflowId": workflow_id}
        exported = self._read(await self._post("/api/openapi/getJsonApiFormat", body), _Exported).prompt
        if isinstance(exported, dict):
            return exported
        return self._decoded(exported, dict[str, Any])

    async def account(self) -> Account:
        """The key's money and tasks. This call spells its key otherwise."""
        return self._read(await self._post("/uc/openapi/accountStatus", {"apikey": self._key}), Account)

    async def _post(self, path: str, body: Mapping[str, Any], seconds: float = _ANSWER_SECONDS) -> msgspec.Raw:
        request = self._http.build_request("POST", path, json={"apiKey": self._key, **body})
        return await self._answer(request, seconds)

    async def _answer(self, request: httpx.Request, seconds: float) -> msgspec.Raw:
        """The `data` of an answer that says that all went well."""
        try:
            async with asyncio.timeout(seconds):
                status, content = await self._exchanged(request)
        except TimeoutError as error:
            raise HubAwayError("no answer in time", sent=True, late=True) from error
        if status in _UNAUTHORIZED:
            raise HubError(UNAUTHORIZED, f"HTTP {status}")
        if status == _TOO_MANY_REQUESTS:
            raise HubError(QUEUE_FULL, f"HTTP {status}")
        if status != _OK:
            raise HubAwayError(f"HTTP {status}", sent=status in _BAD_GATEWAY)
        envelope = self._decoded(content, _Envelope)
        if envelope.code != 0:
            raise HubError(envelope.code, self._without_key(envelope.msg or ""), self._loose(envelope.data))
        return envelope.data

    async def _exchanged(self, request: httpx.Request) -> tuple[int, bytes]:
        try:
            response = await self._http.send(request, stream=True)
            try:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        raise HubAwayError("its answer is too large", sent=True)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise HubAwayError(f"no connection: {how_unreachable(error)}", sent=False) from error
        except (httpx.HTTPError, *UNREADABLE) as error:  # the latter: where it redirects
            raise HubAwayError("the connection broke", sent=True) from error
        return response.status_code, bytes(content)

    def _read(self, data: msgspec.Raw, kind: type[T]) -> T:
        return self._decoded(bytes(data), kind)

    def _decoded(self, content: bytes | str, kind: Any) -> Any:
        try:
            return msgspec.json.decode(content, type=kind, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise HubAwayError("its answer can't be read", sent=True) from error

    def _loose(self, data: msgspec.Raw) -> Any:
        """What came along with a refusal, whatever its shape, without the key."""
        return self._decoded(self._without_key(bytes(data).decode(errors="replace")), Any)

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***")
