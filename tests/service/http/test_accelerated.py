"""ACCEL_REDIRECT: who may have a file is decided here, and nginx sends it from the storage's directory."""

import os
import pwd
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from service.settings import Settings, load_settings
from service.settings.sources import SettingsError
from tests.service.http.conftest import NewUser
from tests.service.http.nginx import needs_nginx, nginx, until_it_answers
from tests.service.http.serving import PHOTO, problem, serving

LOCATION = """
location /stored/ {{ internal; alias {directory}/; add_header X-Content-Type-Options nosniff; }}
"""


@needs_nginx
async def test_nginx_sends_what_the_api_lets_through(
    new_user: NewUser, http_settings: Settings, tmp_path: Path
) -> None:
    file = (await (await new_user()).upload(PHOTO)).json()
    directory = urlsplit(http_settings.storage_url).path
    head = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
    with (
        serving(http_settings, tmp_path / "log", {"ACCEL_REDIRECT": "/stored/"}) as api,
        nginx(tmp_path, api.base_url, LOCATION.format(directory=directory), head) as url,
    ):
        await until_it_answers(url)
        async with httpx.AsyncClient(base_url=url) as client:
            whole = await client.get(file["url"])
            assert (whole.status_code, whole.content) == (200, PHOTO)
            assert whole.headers["content-type"] == "image/jpeg"
            assert "private" in whole.headers["cache-control"]
            assert "x-accel-redirect" not in whole.headers
            part = await client.get(file["url"], headers={"Range": "bytes=2-5"})
            assert (part.status_code, part.content) == (206, PHOTO[2:6])
            known = await client.get(file["url"], headers={"If-None-Match": whole.headers["etag"]})
            assert known.status_code == 304
            changed = await client.get(file["url"], headers={"If-Match": whole.headers["etag"]})
            assert (changed.status_code, changed.content) == (200, PHOTO)
            problem(await client.get(file["url"] + "0"), Code.FORBIDDEN, 403)
            assert (await client.get(f"/stored/{file['file_id'][-2:]}/{file['file_id']}")).status_code == 404


@pytest.mark.parametrize("path", ["stored", "/a b/", "/x\ny", "https://elsewhere.example/"])
def test_a_wrong_prefix_is_told(path: str) -> None:
    with pytest.raises(SettingsError, match="ACCEL_REDIRECT takes where nginx has"):
        load_settings({"DATABASE_URL": "postgresql://h/d", "ACCEL_REDIRECT": path}, dotenv=None)
