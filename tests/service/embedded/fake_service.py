"""Stands in for the `darkroom` command beneath `up`: an API that answers, a worker that is ready, users in a file.

FAKE_STATE is a directory through which a test steers it: `degraded`, `no-byte`, `migrate-fails`, `worker-refuses` and
`create-prints-nothing` are files that may be there; `users` and `log` are written here.
"""

import http.server
import json
import os
import secrets
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import NoReturn

from service.processes.ready_pipe import tell_ready

STATE = Path(os.environ["FAKE_STATE"])
EMAIL = "demo@darkroom.local"


def log(line: str) -> None:
    with (STATE / "log").open("a") as file:
        file.write(f"{line}\n")


def wanted(name: str) -> bool:
    return (STATE / name).exists()


def refuse(message: str) -> NoReturn:
    print(f"Error: {message}", file=sys.stderr)
    raise SystemExit(1)


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = 404, {}
        if self.path == "/readyz":
            status, body = 200, {"status": "degraded" if wanted("degraded") else "ok"}
            log(f"readyz {body['status']}")
        elif self.path == "/pid":
            status, body = 200, {"pid": os.getpid()}
        elif self.path == "/api/v1/me":
            key = self.headers["Authorization"].removeprefix("Bearer ")
            status = 200 if wanted("users") and key in (STATE / "users").read_text() else 401
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def ended(name: str) -> None:
    """Wait for SIGTERM, and note what was still there then."""
    signal.sigwait({signal.SIGTERM})
    database = os.environ["DATABASE_URL"].rpartition(":")[2].partition("/")[0]
    with socket.socket() as probe:
        there = probe.connect_ex(("127.0.0.1", int(database))) == 0
    log(f"{name} stopped, database {'there' if there else 'gone'}")


def api(listener: int) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ended("api")


def worker() -> None:
    if wanted("worker-refuses"):
        refuse("ENGINE takes local")
    names = ("STORAGE_URL", "SECRET_KEY", "ENGINE_THREADS", "FROM_DOTENV")
    told = {name: os.environ.get(name) for name in names} | {"pid": os.getpid()}
    (STATE / "environment").write_text(json.dumps(told))
    if not wanted("no-byte"):
        tell_ready()
    ended("worker")


def user(action: str, email: str, *options: str) -> None:
    assert email == EMAIL
    users = STATE / "users"
    log(f"user {action} {' '.join(options)}".strip())
    if action == "link":
        ready = json.loads((Path(options[1]) / "ready.json").read_text())
        print(json.dumps({"url": f"{ready['base_url']}/sign-in#dl_once"}))
        return
    if action == "create":
        assert options == ("--credits", "10000")
        if users.exists():
            refuse(f"{email} exists")
        users.touch()
        if wanted("create-prints-nothing"):
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
    key = f"dk_{secrets.token_hex(8)}"
    if action in {"create", "key"}:
        with users.open("a") as file:
            file.write(f"{key}\n")
    print(json.dumps({"user_id": "user_demo", "api_key": key}))


def main(command: str, *arguments: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if command == "api":
        api(int(arguments[1]))
    elif command == "worker":
        worker()
    elif command == "user":
        user(*arguments)
    elif wanted("migrate-fails"):
        refuse(f"no connection to {os.environ['DATABASE_URL']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
