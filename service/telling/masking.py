"""Secrets in texts for people and logs: each is blanked out as a whole value, where a secret can stand.

Looking for a password's letters everywhere would spoil every word they are in, and tell which letters they are.
"""

import re
from urllib.parse import quote, quote_plus

from service.urls.splitting import NotAUrl, split_url

MASK = "***"

LEAST_KNOWN = 8
"""Characters of a password that is looked for outside of URLs, too: shorter ones may be any word."""

_NAMES = (
    "password", "passwd", "pwd", "token", "signature", "api_key", "secret", "SECRET_KEY", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "PGPASSWORD", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
)  # fmt: skip

_SECRETS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("://",), re.compile(r"(://[^\s/?#@:'\"]*:)[^\s\"]*(?=@)")),
    (
        _NAMES,
        re.compile(rf"""(\b(?:ssl_?)?(?:{"|".join(_NAMES)})(?:=|\\?["']:\s?\\?["'])["']?)[^\s&'"\\]+"""),
    ),
    (("dk_", "ds_", "dl_", "whsec_", "Bearer"), re.compile(r"(\b(?:d[ksl]_|whsec_)|\bBearer\s)[A-Za-z0-9+/=._-]{8,}")),
    (("eyJ",), re.compile(r"(\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")),
)
"""What a text must hold for a pattern to be worth trying, and what stays of its match."""

_MARKS = tuple(mark for marks, _ in _SECRETS for mark in marks)


def without_secrets(text: str, *urls: str | None) -> str:
    """The text without passwords in URLs, keys, tokens and signatures; nor the passwords of `urls`, however spelled."""
    if _holds_any(_MARKS, text):
        for marks, pattern in _SECRETS:
            if _holds_any(marks, text):
                text = pattern.sub(rf"\1{MASK}", text)
    for spelling in sorted({spelling for url in urls for spelling in _spellings(url)}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w%]){re.escape(spelling)}(?![\w%])", MASK, text)
    return text


def _holds_any(marks: tuple[str, ...], text: str) -> bool:
    # Each log line comes here: a loop takes a third of what one pattern of all of them does.
    for mark in marks:  # noqa: SIM110 - nor is `any` as quick
        if mark in text:
            return True
    return False


def _spellings(url: str | None) -> set[str]:
    """The password of a URL, as it may turn up elsewhere."""
    try:
        password = split_url(url or "").password or ""
    except NotAUrl:
        return set()
    if len(password) < LEAST_KNOWN or password.isalpha():
        return set()
    return {password, quote(password), quote(password, safe=""), quote_plus(password), repr(password)[1:-1]}
