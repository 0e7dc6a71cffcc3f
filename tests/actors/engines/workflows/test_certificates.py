"""Servers behind TLS: whose certificates count, and what is said of one that doesn't."""

import ssl
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.engines.workflows import calling
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.driver import Driver, DriverError
from actors.engines.workflows.runninghub import RunningHub
from schema.models.edits import Mode
from schema.models.engines import WorkflowSettings
from tests.running import nobodys_port

NewDriver = Callable[[str], Driver]


def comfyui(url: str) -> Driver:
    return ComfyUI(WorkflowSettings(comfyui_urls=(url,)))


def runninghub(url: str) -> Driver:
    return RunningHub(WorkflowSettings(runninghub_url=url, runninghub_api_key="k" * 32))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an authority that nobody knows, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of one's own")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


async def answered(_: web.Request) -> web.Response:
    """What either of them answers: each reads what it knows."""
    about = {"system": {"comfyui_version": "0.3.64"}, "code": 0, "data": {"remainCoins": "3"}}
    return web.json_response({**about, "queue_running": [], "queue_pending": []})


@pytest_asyncio.fixture
async def port(certificate: Path) -> AsyncGenerator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answered)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture(autouse=True)
def fresh_authorities() -> None:
    calling.authorities.cache_clear()


async def trouble(driver: Driver) -> str | None:
    (state,) = await driver.states()
    await driver.close()
    return state.trouble


@pytest.mark.parametrize("new_driver", [comfyui, runninghub])
@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_and_told(
    new_driver: NewDriver, port: int, scheme: str
) -> None:
    said = await trouble(new_driver(f"{scheme}://127.0.0.1:{port}"))
    assert "its certificate isn't trusted" in (said or "")


async def test_why_no_server_can_be_reached_is_told() -> None:
    driver = comfyui(f"http://127.0.0.1:{nobodys_port()}")
    with pytest.raises(DriverError) as told:
        await driver.draft(Mode.HEAD_SWAP)
    assert "nobody listens there" in told.value.detail
    await driver.close()


@pytest.mark.parametrize("new_driver", [comfyui, runninghub])
async def test_an_authority_of_ones_own_counts(
    new_driver: NewDriver, port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert await trouble(new_driver(f"https://127.0.0.1:{port}")) is None
