"""REDIS_URL as hosts print it: what redis-py would choke on is understood, left out, or refused by name."""

import pytest
import redis
import redis.asyncio as aioredis

from actors.broker import WakingBroker
from service.queue import Queue
from service.settings import load_settings
from service.settings.sources import SettingsError
from service.urls.redis import LEFT_OUT, read_redis_url
from tests.keys import KEYS

DATABASE_URL = "postgresql://u@h/d"


def read(url: str) -> str:
    return load_settings({"DATABASE_URL": DATABASE_URL, "REDIS_URL": url}, dotenv=None).redis_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", "redis://h"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:p%40@h:1/2?family=0", "redis://:p%40@h:1/2"),
        ("redis://h?family=6&protocol=3", "redis://h"),
        ("redis://h/1?db=2", "redis://h/2"),
        ("redis://h?username=u&password=p%2F", "redis://u:p%2F@h"),
        ("redis://default@[::1]:7/", "redis://default@[::1]:7"),
        ("rediss://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=none"),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", "rediss://h?ssl_cert_reqs=none"),
        ("rediss://h?ssl_check_hostname=no", "rediss://h?ssl_check_hostname=False"),
        ("rediss://h?ssl_min_version=772", "rediss://h?ssl_min_version=772"),
        ("redis://h?client_name=me", "redis://h?client_name=me"),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=3"),
        ("unix://u:p@/run/redis.sock", "unix://u:p@/run/redis.sock"),
        ("redis://ünser:pä@h", "redis://%C3%BCnser:p%C3%A4@h"),
        *[(f"redis://h?{name}=1", "redis://h") for name in sorted(LEFT_OUT)],
    ],
)
def test_what_a_url_means(url: str, expected: str) -> None:
    assert read(url) == expected
    # Once more is the same: the children of `up` read it, too.
    assert read(expected) == expected
    for client in (redis.Redis.from_url(expected), aioredis.Redis.from_url(expected)):
        client.connection_pool.make_connection()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h?nonsense=1", "no parameter nonsense; leave it out"),
        ("redis://h?host=s3cr3t", "no parameter host; leave it out"),
        ("redis://h?tls=true", "no parameter tls; leave it out"),
        ("redis://h?a%20b=s3cr3t", "no such parameters as it has"),
        ("redis://h?family=s3cr3t", "family=0 or family=4 or family=6"),
        ("redis://h?protocol=4", "protocol=2 or protocol=3"),
        ("redis://h?db=s3cr3t", "a whole number up to"),
        ("redis://h?db=-1", "a whole number up to"),
        ("redis://h?ssl_cert_reqs=none", "rediss:// with ssl_cert_reqs"),
        ("unix:///s?ssl_cert_reqs=none", "rediss:// with ssl_cert_reqs"),
        ("rediss://h?ssl_cert_reqs=s3cr3t", "ssl_cert_reqs=none or"),
        ("rediss://h?ssl_check_hostname=s3cr3t", "ssl_check_hostname=true or"),
        ("rediss://h?ssl_min_version=TLSv1.2", "ssl_min_version="),
        ("rediss://h?ssl_ciphers=s3cr3t", "ciphers that OpenSSL knows"),
        ("rediss://h?ssl_ca_certs=/nowhere/s3cr3t", "certificates that can be read as ssl_ca_certs"),
        ("rediss://h?ssl_certfile=/nowhere/s3cr3t", "a certificate and its key that can be read as ssl_certfile"),
        ("redis://u:12?s3cr3t@h", "redis://user"),
        ("redis://a,b/0", "redis://user"),
        ("redis://h/zero", "redis://user"),
        ("redis://h/0#s3cr3t", "redis://user"),
        ("redis://[nonsense]/0", "redis://user"),
        ("unix://h/s", "redis://user"),
        ("redis-sentinel://h/s", "redis://user"),
    ],
)
@pytest.mark.parametrize("name", ["REDIS_URL", "LEGACY_REDIS_URL"])
def test_what_cannot_be_kept_is_refused_by_name(name: str, url: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"DATABASE_URL": DATABASE_URL, name: url}, dotenv=None)
    message = str(caught.value)
    assert message.startswith(f"{name} takes {words}")
    assert "s3cr3t" not in message


async def test_every_client_of_ours_works_with_what_is_left(redis_url: str) -> None:
    url = read_redis_url(f"{redis_url}?family=0&protocol=3&decode_responses=true&socket_timeout=0.000001")
    queue = Queue(url, KEYS)
    await queue.ping()
    assert await queue.length() == 0
    await queue.close()
    broker = WakingBroker(url=url, middleware=[])
    assert broker.client.ping()
    broker.close()
