"""How requests are sent with httpx, for both faces of the client."""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from darkroom_client.calls import Call, Reply

TIMEOUT: Final = httpx.Timeout(75.0, connect=10.0)
"""Seconds, where the options don't say otherwise: a photo takes its time on a slow line."""
HELD: Final = 15.0
"""Seconds that an answer may be late which Darkroom was asked to hold."""


LOOPBACK: Final = {"localhost": "localhost", "127.0.0.1": "127.0.0.1", "::1": "[::1]"}


def client_options(base_url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` are those of the client's user.

    A proxy that the environment names is for other machines, and would look for this one's Darkroom on its own.
    """
    ours: dict[str, Any] = {"base_url": base_url.rstrip("/"), "timeout": TIMEOUT}
    ours["headers"] = {"User-Agent": "darkroom-client/0.1"}
    host = LOOPBACK.get(httpx.URL(base_url).host)
    if host is not None and "proxy" not in options:
        ours["mounts"] = {f"all://{host}": None}
    return {**ours, **options}


def checked(key: str) -> str:
    """The key, as a file or a terminal may give it: with an end of line. An error of the connection would tell it.

    Raises:
        ValueError: It can't be sent.
    """
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("An API key begins with dk_; neither it nor a token has spaces, or letters that aren't ASCII.")
    return key


def request_options(call: Call, key: str, timeout: httpx.Timeout) -> dict[str, Any]:
    """The key goes to the API alone: pictures' addresses are signed, and may lead elsewhere.

    `timeout` is the connection's; an answer that is to be held is waited for, however short it is.
    """
    held = call.params.get("wait")
    if held is not None and timeout.read is not None:
        read = max(timeout.read, float(held) + HELD)
        timeout = httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)
    headers = dict(call.headers)
    if call.needs_key:
        headers["Authorization"] = f"Bearer {key}"
    options: dict[str, Any] = {"headers": headers, "params": dict(call.params) or None, "timeout": timeout}
    if call.json is not None:
        options["json"] = call.json
    if call.files is not None:
        options |= {"files": dict(call.files), "data": dict(call.data or {})}
    return options


def replied(response: httpx.Response) -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )
