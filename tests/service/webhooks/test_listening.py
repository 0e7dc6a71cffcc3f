"""`darkroom webhook listen` says what comes, and whether it was signed by whom it should be."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from service.outbound.guard import outbound_client
from service.webhooks.calling import call, signed_headers
from service.webhooks.listening import receiver
from service.webhooks.secrets import new_secret

BODY = '{"type": "ping", "timestamp": "2026-11-28T12:00:00Z", "data": {"name": "\\u001b[2J"}}'


@contextmanager
def listening(secrets: list[str], said: list[str]) -> Generator[str]:
    with receiver(0, secrets, said.append) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


async def test_what_comes_is_said_with_what_its_signature_is_worth() -> None:
    ours, before, others = new_secret(), new_secret(), new_secret()
    said: list[str] = []
    with listening([ours, before], said) as url:
        async with outbound_client(allow_private=True, seconds=10) as client:
            for secrets in ([ours], [before], [others, ours], [others]):
                answer = await call(client, url, signed_headers(secrets, "ping_1", BODY), BODY)
                assert answer.status == 204
            assert (await call(client, url, {}, "no JSON")).status == 204
    assert ["signature right" in one for one in said] == [True, True, True, False, False]
    assert ["SIGNATURE WRONG" in one for one in said] == [False, False, False, True, True]
    assert all('"type": "ping"' in one for one in said[:4])
    assert "no JSON" in said[4]
    assert not any("\x1b" in one for one in said)
    with listening([], said) as url:
        async with outbound_client(allow_private=True, seconds=10) as client:
            await call(client, url, signed_headers([ours], "ping_2", BODY), BODY)
    assert "ping_2: signature not checked" in said[-1]
