"""What nobody has signed in for costs little, whatever is asked: processor time, against that of /livez."""

import base64
import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest

from tests.service.http.conftest import SECRET_KEYS
from tests.service.http.serving import API, Api

ROUND = 40
"""Requests that are measured together."""

TIMES = 6
LEAST = 0.0006
"""Nothing may cost more than so many times /livez, which is taken to cost so many seconds at least."""


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


HS256 = segment({"alg": "HS256", "typ": "JWT"})
DEEP = "[" * 900 + "]" * 900
CLAIMS = {"sub": "usr_nobody", "exp": 4_000_000_000}

ASKED: dict[str, tuple[str, str, dict[str, str]]] = {
    "document": ("GET", "/openapi.json", {}),
    "document below docs": ("GET", "/docs/openapi.json", {}),
    "docs": ("GET", "/docs", {}),
    "docs' style": ("GET", "/docs-assets/swagger-ui.css", {}),
    "docs' script": ("GET", "/docs-assets/swagger-ui-bundle.js", {}),
    "docs, wrong": ("GET", "/docs/openapi.yaml", {}),
    "modes": ("GET", f"{API}/modes", {}),
    "readiness": ("GET", "/readyz", {}),
    "head": ("HEAD", "/openapi.json", {}),
    "preflight": (
        "OPTIONS",
        f"{API}/tasks",
        {
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": ",".join(f"x-{n}" for n in range(4000)),
        },
    ),
    "options": ("OPTIONS", f"{API}/tasks", {}),
    "nothing": ("GET", "/nothing", {}),
    "long": ("GET", "/" + "a" * 8000, {}),
    "deep": ("GET", "/" + "a/" * 4000, {}),
    "escaped": ("GET", "/" + "%41" * 2600, {}),
    "slashes": ("GET", "/" * 8000, {}),
    "many parameters": ("GET", "/livez?" + "&".join(f"a{n}={n}" for n in range(900)), {}),
    "many equal ones": ("GET", f"{API}/modes?" + "a&" * 4000, {}),
    "wrong method": ("PATCH", f"{API}/tasks/x", {}),
    "no token": ("GET", f"{API}/me", {}),
    "unknown key": ("GET", f"{API}/me", bearer("dk_unknown")),
    "long key": ("GET", f"{API}/me", bearer("dk_" + "x" * 60_000)),
    "no JWT": ("GET", f"{API}/me", bearer("x" * 4000)),
    "dots": ("GET", f"{API}/me", bearer("." * 4000)),
    "deep JWT": ("GET", f"{API}/me", bearer(f"{base64.urlsafe_b64encode(DEEP.encode()).decode()}.e30.x")),
    "large JWT": ("GET", f"{API}/me", bearer(f"{HS256}.{segment(['x'] * 500)}.{'x' * 43}")),
    "JWT without a signature": ("GET", f"{API}/me", bearer(f"{segment({'alg': 'none'})}.{segment(CLAIMS)}.")),
    "JWT of a wrong key": ("GET", f"{API}/me", bearer(jwt.encode(CLAIMS, "a key of somebody else, of a good length"))),
    "JWT of nobody": ("GET", f"{API}/me", bearer(jwt.encode(CLAIMS, SECRET_KEYS[0]))),
    "bad signature": ("GET", f"{API}/files/file_x?expires=1&signature=x", {}),
    "long signature": ("GET", f"{API}/files/file_x?expires=99999999999&signature=" + "x" * 8000, {}),
    "long file id": ("GET", f"{API}/files/{'x' * 7000}?expires=9999999999&signature=x", {}),
    "many headers": ("GET", "/livez", {f"x-{n}": "y" for n in range(90)}),
    "large header": ("GET", "/livez", {"x": "y" * 60_000}),
    "cookies": ("GET", f"{API}/me", {"Cookie": "; ".join(f"a{n}=b" for n in range(6000))}),
    "request id": ("GET", "/livez", {"X-Request-Id": "x" * 60_000}),
    "accept": ("GET", f"{API}/modes", {"Accept": ", ".join(["text/html;q=0.1"] * 3500)}),
    "range": ("GET", f"{API}/files/file_x", {"Range": "bytes=" + ",".join(["0-1"] * 10_000)}),
    "tags": ("GET", "/docs-assets/start.js", {"If-None-Match": ",".join(['"x"'] * 15_000)}),
    "forwarded": ("GET", f"{API}/me", {"X-Forwarded-For": ",".join(["10.0.0.1"] * 6000)}),
    "host": ("GET", "/livez", {"Host": "a" * 60_000}),
    "content type": ("POST", f"{API}/uploads", {"Content-Type": "multipart/form-data; boundary=" + "b" * 60_000}),
    "another host": ("GET", "/livez", {"Host": "a b"}),
}
"""Everything that is answered without a token, and tokens of every shape."""


def processor_seconds(api: Api) -> float:
    """What the API's process has used so far, to the nanosecond, of all its threads."""
    tasks = Path(f"/proc/{api.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def cost(api: Api, method: str, path: str, headers: dict[str, str]) -> float:
    """Seconds of processor time for one such request."""
    parts = urlsplit(api.base_url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def ask(count: int) -> None:
        for _ in range(count):
            connection.request(method, path, headers=headers)
            connection.getresponse().read()

    ask(5)
    before = processor_seconds(api)
    ask(ROUND)
    connection.close()
    return (processor_seconds(api) - before) / ROUND


pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="Linux counts processor time here")


@pytest.fixture(scope="module")
def usual(strict_api: Api) -> float:
    return max(LEAST, cost(strict_api, "GET", "/livez", {}))


@pytest.mark.parametrize("asked", ASKED)
def test_a_request_costs_about_what_any_does(strict_api: Api, usual: float, asked: str) -> None:
    method, path, headers = ASKED[asked]
    one = cost(strict_api, method, path, headers)
    if one >= TIMES * usual:
        # Once more: another process on the same core empties its caches.
        one = cost(strict_api, method, path, headers)
    assert one < TIMES * usual, f"{one * 1000:.2f} ms; /livez: {usual * 1000:.2f} ms"
