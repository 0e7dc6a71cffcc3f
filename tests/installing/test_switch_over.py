"""What the guide to the switch prints does what it says, as it stands there."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import Final

import asyncpg
import httpx
import pytest

from tests.databases import url_of_database
from tests.installing.test_backup import PROGRAMS
from tests.legacy.old_tables import OldTables, make_old_tables
from tests.lives import PATIENCE
from tests.quick_matte import quick_matte
from tests.running import free_port

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ("switch-over.md", "switch-over.zh-CN.md")
NGINX: Final = shutil.which("nginx") or "/usr/sbin/nginx"
BIN: Final = Path(sys.executable).parent

LAST_LINE: Final = "Ctrl-C stops it; its data stays in .legacy-sample/.\n"

needs_nginx = pytest.mark.skipif(not Path(NGINX).exists(), reason="the Debian package nginx is missing")


def blocks(page: str, language: str) -> list[str]:
    """The page's pieces in a language, without what they are indented by."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL
    )
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.mark.parametrize(
    ("page", "language"), [("switch-over", "sh"), ("switch-over", "nginx"), ("adopting", "sh"), ("adopting", "sql")]
)
def test_both_languages_print_the_same(page: str, language: str) -> None:
    first, second = (
        [re.sub(r" -- .*", "", text) for text in blocks(f"{page}{which}.md", language)] for which in ("", ".zh-CN")
    )
    assert first == second != []


@contextmanager
def backend(name: str) -> Generator[int]:
    """A server that answers with its name; its port."""

    class Named(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(name.encode())

        do_POST = do_GET  # noqa: N815 - as the library wants it

        def log_request(self, code: object = "-", size: object = "-") -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Named)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def nginx(directory: Path, configuration: str, ports: dict[str, int]) -> Generator[str]:
    """Nginx with the guide's configuration, in front of other ports; its URL."""
    ports = {"80": free_port(), **ports}
    for stands, port in ports.items():
        configuration = re.sub(rf"(listen |127\.0\.0\.1:){stands};", rf"\g<1>{port};", configuration)
    temporary = " ".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = directory / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;\n"
        f"events {{ }}\nhttp {{ access_log off; {temporary}\n{configuration} }}\n"
    )
    process = subprocess.Popen([NGINX, "-c", file, "-e", directory / "error.log"], stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{ports['80']}"
    finally:
        process.terminate()
        process.wait()


def who_answers(url: str, paths: list[str], method: str = "GET") -> list[str]:
    """Which of the two has answered each, or the status where neither has."""
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=8)) as client:
        answers = [client.request(method, path) for path in paths]
    return [answer.text if answer.is_success else str(answer.status_code) for answer in answers]


@needs_nginx
def test_the_proxy_sends_each_path_to_the_right_one(tmp_path: Path) -> None:
    configuration, closing = blocks(PAGES[0], "nginx")
    here = ["tasks", "tasks/task_1", "tasks/history", "me", "me/credits", "modes", "uploads", "files/f.jpg", "authors"]
    there = ["auth/me", "auth/login", "auth", "plans", "plans/pro", "billing/orders", "admin/users"]
    with backend("old") as old, backend("darkroom") as darkroom:
        ports = {"8080": old, "8000": darkroom}
        with nginx(tmp_path, configuration, ports) as url:
            assert who_answers(url, [f"/api/v1/{path}" for path in here]) == ["darkroom"] * len(here)
            assert who_answers(url, ["/results/a/b.jpg", "/uploads/file_1"]) == ["darkroom"] * 2
            assert who_answers(url, [f"/api/v1/{path}" for path in there]) == ["old"] * len(there)
            assert who_answers(url, ["/", "/index.html", "/health"]) == ["old"] * 3
        # While the accounts are imported a last time.
        closed = re.sub(
            r"location /api/v1/ .*", closing + "location /api/v1/ { proxy_pass http://old_system; }", configuration
        )
        with nginx(tmp_path, closed, ports) as url:
            assert who_answers(url, ["/api/v1/tasks", "/api/v1/tasks/t", "/api/v1/auth/me"]) == ["old"] * 3
            assert who_answers(url, ["/api/v1/tasks"], "POST") == ["503"]
            assert httpx.post(f"{url}/api/v1/tasks").headers["Retry-After"] == "60"


@contextmanager
def sample(directory: Path) -> Generator[str]:
    """What `make legacy-sample` serves, in a directory; the address of its Redis."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.legacy.serve_sample", "--tasks", "300"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        try:
            told = "".join(iter(lambda: next(serving.stdout or iter(()), ""), LAST_LINE))
            (url,) = re.findall(r"Redis is at (\S+)", told)
            assert "to be adopted, are at postgresql://" in told
            yield url
        finally:
            serving.terminate()


def test_the_rehearsal_goes_through_as_printed(tmp_path: Path) -> None:
    """But for how many tasks there are, and where everything is kept."""
    made, rehearsal, stop = blocks(PAGES[0], "sh")[:3]
    assert re.fullmatch(r"make legacy-sample N=\d+\n", made)
    with sample(tmp_path) as url:
        commands = (rehearsal + stop).replace(".venv/bin/", f"{BIN}/").replace("redis://...", url)
        ended = subprocess.run(
            ["bash", "-ec", commands.replace("/tmp/rehearsal", str(tmp_path / "rehearsal"))],  # noqa: S108 - as printed
            cwd=tmp_path,
            env=os.environ | quick_matte(tmp_path),  # nothing is edited
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * PATIENCE,
        )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert not (tmp_path / "rehearsal").exists()
    assert re.search(r'"taken_over": [1-9]', ended.stdout)
    assert re.search(r'"equal": true', ended.stdout)


async def test_a_copy_of_the_old_tables_is_adopted_as_printed(empty_database: str, tmp_path: Path) -> None:
    theirs = await asyncpg.connect(empty_database)
    copy = f"copy_{token_hex(4)}"
    try:
        await make_old_tables(theirs, OldTables(users=5, tasks=20))
        await theirs.execute(f"CREATE DATABASE {copy}")
        environment = os.environ | {
            "PATH": f"{PROGRAMS}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}",
            "OLD_DATABASE_URL": empty_database,
            "DATABASE_URL": url_of_database(empty_database, copy),
        }
        (commands,) = blocks("adopting.md", "sh")
        process = await asyncio.create_subprocess_exec(
            "bash", "-ec", commands, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        assert process.returncode == 0
        assert "adopted 5 users" in told.decode()
        assert await theirs.fetchval("SELECT to_regclass('credit_ledger') IS NULL")
    finally:
        await theirs.execute(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)")
        await theirs.close()
