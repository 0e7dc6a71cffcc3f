"""Where only pip's settings lead to packages, uv installs them too: from real indexes on this machine."""

import io
import os
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pip_to_uv import settings_in, uv_variables

ROOT = Path(__file__).parents[2]
WHEEL = "tiny_package-1.0-py3-none-any.whl"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the Debian package openssl is missing")


def wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        about = "tiny_package-1.0.dist-info"
        archive.writestr("tiny_package.py", "HERE = True\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{about}/RECORD", f"tiny_package.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n"
        )
    return content.getvalue()


class Index(BaseHTTPRequestHandler):
    """A package index with one package; asked as a proxy it is every host's."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.endswith(".whl"):
            self._answer("application/octet-stream", wheel())
        elif path.rstrip("/").endswith("/simple/tiny-package"):
            self._answer("text/html", f'<a href="../../files/{WHEEL}">{WHEEL}</a>'.encode())
        else:
            self.send_error(404)

    do_HEAD = do_GET  # noqa: N815 - its parent's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
        del format, args

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@contextmanager
def index(certificate: Path | None = None) -> Generator[str]:
    """A running index; its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A company's own, key included, that nobody knows."""
    path, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", path, "-days", "2",
         "-subj", "/CN=packages", "-addext", "subjectAltName=IP:127.0.0.1",
         "-addext", "basicConstraints=critical,CA:FALSE"],
        capture_output=True, check=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def install(directory: Path, pip_conf: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """`uv pip install tiny-package` with nothing but this pip.conf."""
    configuration = directory / "pip.conf"
    configuration.write_text(pip_conf)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, ROOT / "pip_to_uv.py", Path(sys.prefix) / "bin" / "uv", "pip", "install",
         "--target", directory / "there", "--python", sys.executable, "tiny-package==1.0"],
        env={
            **kept,
            "HOME": str(directory),
            "XDG_CONFIG_DIRS": str(directory),
            "PIP_CONFIG_FILE": str(configuration),
            **extra,
        },
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def installed(directory: Path) -> bool:
    return (directory / "there" / "tiny_package.py").exists()


@needs_openssl
def test_an_index_with_a_certificate_of_its_own(tmp_path: Path, certificate: Path) -> None:
    with index(certificate) as url:
        refused = install(tmp_path, f"[global]\nindex-url = {url}/simple\n")
        assert not installed(tmp_path), "a certificate that nobody knows was believed"
        assert "certificate" in refused.stderr.lower()
        taken = install(tmp_path, f"[global]\nindex-url = {url}/simple\ncert = {certificate}\n")
    assert installed(tmp_path), taken.stderr


@needs_openssl
def test_a_host_that_pip_trusts_without_a_certificate(tmp_path: Path, certificate: Path) -> None:
    with index(certificate) as url:
        ended = install(tmp_path, f"[install]\nindex-url = {url}/simple\ntrusted-host = 127.0.0.1\n")
    assert installed(tmp_path), ended.stderr


def test_a_second_index(tmp_path: Path) -> None:
    with index() as url:
        ended = install(tmp_path, f"[global]\nindex-url = {url}/nothing\nextra-index-url =\n  {url}/simple\n")
    assert installed(tmp_path), ended.stderr


def test_a_proxy(tmp_path: Path) -> None:
    with index() as proxy:
        ended = install(tmp_path, f"[global]\nindex-url = http://packages.example/simple\nproxy = {proxy}\n")
    assert installed(tmp_path), ended.stderr


def test_a_folder_and_no_index(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(wheel())
    ended = install(tmp_path, f"[global]\nno-index = yes\nfind-links = {tmp_path}\n")
    assert installed(tmp_path), ended.stderr


@pytest.mark.parametrize("named", ["HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"])
def test_without_a_place_for_a_cache(tmp_path: Path, named: str) -> None:
    """As of a service's account, whose home there isn't; of root's no right takes one away, but a file in its place."""
    closed = tmp_path / "closed"
    closed.touch()
    with index() as url:
        ended = install(tmp_path, f"[global]\nindex-url = {url}/simple\n", **{named: str(closed / "below")})
    assert installed(tmp_path), ended.stderr


def test_the_environment_wins_and_what_is_set_for_uv_before_all(tmp_path: Path) -> None:
    elsewhere = "[global]\nindex-url = http://127.0.0.1:1/simple\n"
    with index() as url:
        ended = install(tmp_path, elsewhere, PIP_INDEX_URL=f"{url}/simple")
        assert installed(tmp_path), ended.stderr
        shutil.rmtree(tmp_path / "there")
        ended = install(
            tmp_path, elsewhere, PIP_INDEX_URL="http://127.0.0.1:1/simple", UV_DEFAULT_INDEX=f"{url}/simple"
        )
        assert installed(tmp_path), ended.stderr


def test_no_secret_is_told(tmp_path: Path) -> None:
    with index() as url:
        secret = url.replace("//", "//somebody:secret@")
        ended = install(tmp_path, f"[global]\nindex-url = {secret}/simple\n")
    assert installed(tmp_path), ended.stderr
    assert "UV_DEFAULT_INDEX" in ended.stderr
    assert "secret" not in ended.stderr + ended.stdout


def test_the_strongest_section_counts() -> None:
    told = """
:env:.index-url='https://environment/simple'
global.cert='/global.pem'
global.index-url='https://global/simple'
global.trusted-host='one\\ntwo'
install.cert='/install.pem'
download.index-url='https://download/simple'
"""
    pip = settings_in(told)
    assert pip == {"index-url": "https://environment/simple", "cert": "/install.pem", "trusted-host": "one\ntwo"}
    assert uv_variables(pip) == {
        "UV_SYSTEM_CERTS": "1",
        "UV_DEFAULT_INDEX": "https://environment/simple",
        "SSL_CERT_FILE": "/install.pem",
        "UV_INSECURE_HOST": "one two",
    }
