"""nginx from the system in front of an API, as much of its configuration as a test needs."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import lives
from tests.running import free_port

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

needs_nginx = pytest.mark.skipif(not Path(NGINX).exists(), reason="the Debian package nginx is missing")


@contextmanager
def nginx(directory: Path, upstream: str, locations: str = "", head: str = "") -> Generator[str]:
    """A proxy as nginx is by default but for its limit of bodies, and for more `locations`; its URL."""
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        f"""
        {head} daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
        events {{ }}
        http {{
            access_log off; client_max_body_size 0;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
            server {{ listen 127.0.0.1:{port}; {locations} location / {{ proxy_pass {upstream}; }} }}
        }}
        """
    )
    process = subprocess.Popen([NGINX, "-c", configuration, "-e", directory / "error.log"], stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def until_it_answers(url: str) -> None:
    """nginx, and the API behind it."""

    async def answers() -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{url}/livez")).status_code == 200
            except httpx.TransportError:
                return False

    await lives.until(answers)
