"""One origin for the existing client, as its users have it: its page, the sign-in service, and Darkroom behind both."""

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

SIGN_IN = "/api/v1/auth/login"
PAGES = {"/": ("page.html", "text/html"), "/client.js": ("client.js", "text/javascript")}
BETWEEN_NEIGHBOURS = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
"""Headers that a proxy doesn't pass on."""


@contextmanager
def one_origin(api_url: str, tokens: Mapping[str, str]) -> Generator[str]:
    """Serve it; its base URL. Who signs in with one of the emails in `tokens` gets that token."""
    with httpx.Client(base_url=api_url, timeout=30) as api:

        class Handler(BaseHTTPRequestHandler):
            """Sends each path where it belongs."""

            def do_GET(self) -> None:
                if self.path in PAGES:
                    name, content_type = PAGES[self.path]
                    content = (Path(__file__).parent / name).read_bytes()
                    self._answer(200, {"Content-Type": f"{content_type}; charset=utf-8"}, content)
                else:
                    self._pass_on()

            def do_POST(self) -> None:
                if self.path == SIGN_IN:
                    token = tokens[json.loads(self._body())["email"]]
                    answer = json.dumps({"access_token": token, "token_type": "bearer"}).encode()
                    self._answer(200, {"Content-Type": "application/json"}, answer)
                else:
                    self._pass_on()

            def _pass_on(self) -> None:
                headers = {name: value for name, value in self.headers.items() if _goes_on(name)}
                with api.stream(self.command, self.path, headers=headers, content=self._body()) as answer:
                    passed = {name: value for name, value in answer.headers.items() if _goes_on(name)}
                    self._answer(answer.status_code, passed, b"".join(answer.iter_raw()))

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Nobody reads it."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def _goes_on(name: str) -> bool:
    return name.lower() not in BETWEEN_NEIGHBOURS
