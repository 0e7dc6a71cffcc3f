"""Secrets are blanked out as whole values, in every spelling; the words around them stay."""

import io
import logging
from functools import partial
from urllib.parse import quote

import pytest
import structlog

from service.telling.logs import set_up_logs
from service.telling.masking import without_secrets

KEY = "dk_" + "k3y" * 14
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"

SENTENCE = "The schema can't be brought up to date: PostgreSQL (DATABASE_URL) can't be reached"


@pytest.mark.parametrize("password", ["b", "a", "e", "the", "schema", "PostgreSQL", "can't", "'", ".", "reached"])
def test_no_word_is_spoilt_by_a_password_that_it_holds(password: str) -> None:
    url = f"postgresql://a:{quote(password)}@127.0.0.1:1/c"
    assert without_secrets(SENTENCE, url) == SENTENCE
    assert without_secrets(f"at {url}", url) == "at postgresql://a:***@127.0.0.1:1/c"


@pytest.mark.parametrize("password", ["s3cr3t-pass", "s3cr3t/pa:s@word", "päss w0rd!", "a+b%c=d&e", 'it\'s-"quoted"1'])
def test_a_password_is_blanked_out_in_every_spelling(password: str) -> None:
    url = f"postgresql://ann:{quote(password, safe='')}@h/d"
    for spelling in (password, quote(password, safe=""), quote(password)):
        text = without_secrets(f"dsn {url}; password {spelling} refused; again ({spelling})", url, None)
        assert text == "dsn postgresql://ann:***@h/d; password *** refused; again (***)"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://:s3cr3t@h:1/0, and redis://u:s3cr3t@k", "redis://:***@h:1/0, and redis://u:***@k"),
        ("'postgresql://u:s3cr3t/with@signs@h/d' failed", "'postgresql://u:***@h/d' failed"),
        ("at postgresql://u:it's-s3cr3t@h/d", "at postgresql://u:***@h/d"),
        ("PGPASSWORD=s3cr3t psql", "PGPASSWORD=*** psql"),
        ("https://hooks.example/x?token=s3cr3t&a=1", "https://hooks.example/x?token=***&a=1"),
        ("/f?expires=5&signature=s3cr3t HTTP/1.1", "/f?expires=5&signature=*** HTTP/1.1"),
        ("?X-Amz-Signature=s3cr3t&X-Amz-Date=1", "?X-Amz-Signature=***&X-Amz-Date=1"),
        ("host=h password=s3cr3t user=u", "host=h password=*** user=u"),
        ('{"password": "s3cr3t", "user": "u"}', '{"password": "***", "user": "u"}'),
        ("SECRET_KEY=s3cr3t", "SECRET_KEY=***"),
        (f"key {KEY} is gone", "key dk_*** is gone"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer ***"),
        (f"token was {JWT}, gone", "token was ***, gone"),
        ("whsec_c2VjcmV0c2VjcmV0", "whsec_***"),
    ],
)
def test_what_is_known_to_be_secret_is_blanked_out_where_it_stands(text: str, masked: str) -> None:
    assert without_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "PostgreSQL refuses the user or password in DATABASE_URL.",
        "lease_token=5 task_id=task_01 status=done",
        "http://127.0.0.1:8000/docs, then http://127.0.0.1:9000",
        "postgresql://user@host/db, me@example.com",
        "a key is dk_...",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_log_line_tells_one(
    log_format: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    request.addfinalizer(partial(structlog.configure, **structlog.get_config()))
    request.addfinalizer(lambda: logging.getLogger().setLevel(level))
    request.addfinalizer(lambda: setattr(logging.getLogger(), "handlers", handlers))
    set_up_logs(log_format)
    url = "postgresql://u:s3cr3t@h/d"
    structlog.get_logger().warning("lost", at=url, key=KEY)
    logging.getLogger("another.package").error("lost %s", url)
    try:
        int(url)
    except ValueError:
        structlog.get_logger().exception("broken")
        logging.getLogger("another.package").exception("broken")
    text = written.getvalue()
    assert text.count("postgresql://u:***@h/d") >= 4
    assert "s3cr3t" not in text
    assert KEY not in text
