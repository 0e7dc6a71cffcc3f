"""A webhook's address is never one of our own network, however it is spelled."""

import pytest

from service.refusals import Refused
from service.webhooks.urls import judge_webhook_url

OURS = [
    "[::1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "[fd00::1]",
    "[ff02::1]",
    "0",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST.",
    "db.localhost",
    "127.0.0.1\\.example.com",
    "127.0.0.1%2f.example.com",
    "[example.com]",
    "[v1.x]",
    "example.com,127.0.0.1",
]


@pytest.mark.parametrize("host", OURS)
@pytest.mark.parametrize("end", ["/hook", ":8080/hook"])
def test_our_own_network_is_refused(host: str, end: str) -> None:
    with pytest.raises(Refused):
        judge_webhook_url(f"https://{host}{end}", allow_private=False)


@pytest.mark.parametrize(
    "host",
    ["example.com", "a-b.example.co.uk", "xn--bcher-kva.example", "1.1.1.1", "[2606:4700:4700::1111]", "my_app.dev"],
)
def test_the_public_one_is_not(host: str) -> None:
    judge_webhook_url(f"https://{host}/hook?key=value", allow_private=False)
    judge_webhook_url(f"http://{host}:8443/", allow_private=False)


def test_who_allows_it_may_have_it() -> None:
    judge_webhook_url("http://127.0.0.1:9000/hook", allow_private=True)
