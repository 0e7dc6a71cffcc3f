"""A receiver to try webhooks with: tells what comes, and whether its signature is right."""

import http.server
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from service.telling.printable import printable

LARGEST = 10_000_000


def judged(secrets: Sequence[str], body: bytes, headers: dict[str, str]) -> str:
    """What is to be said of a signature."""
    if not secrets:
        return "signature not checked"
    reasons = [_wrong(secret, body, headers) for secret in secrets]
    return "signature right" if None in reasons else f"SIGNATURE WRONG: {reasons[0]}"


def _wrong(secret: str, body: bytes, headers: dict[str, str]) -> str | None:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        return printable(str(error))
    return None


def receiver(port: int, secrets: Sequence[str], say: Callable[[str], object]) -> http.server.ThreadingHTTPServer:
    """A server on this machine's own address that says each webhook, and answers 204."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 30

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > LARGEST:
                self.send_error(HTTPStatus.LENGTH_REQUIRED)
                return
            say(_told(secrets, self.rfile.read(int(length)), dict(self.headers.items())))
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Nothing: what matters was said."""

    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _told(secrets: Sequence[str], body: bytes, headers: dict[str, str]) -> str:
    named = {name.lower(): value for name, value in headers.items()}
    identity = printable(named.get("webhook-id", "without a webhook-id"))
    line = f"{datetime.now().astimezone():%H:%M:%S} {identity}: {judged(secrets, body, headers)}"
    try:
        shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        shown = body.decode(errors="replace")
    return f"{line}\n{printable(shown, keep=chr(10))}"
