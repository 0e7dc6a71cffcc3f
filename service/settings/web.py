"""How clients reach us: our own address, others' pages, the proxies in front."""

import ipaddress
import re

from service.settings.sources import Sources
from service.urls.splitting import NotAUrl, split_url


def read_public_url(sources: Sources) -> str | None:
    """The address clients use, without a slash at its end. Raises SettingsError."""
    name, takes = "PUBLIC_URL", "the address clients use, like https://photos.example.com"
    text = sources.text(name)
    if not text:
        return None
    try:
        url = split_url(text)
    except NotAUrl:
        raise sources.wrong(name, takes) from None
    more = len(url.hosts) > 1 or url.username is not None or url.query or url.fragment
    if more or url.scheme not in {"http", "https"} or not all(host.name for host in url.hosts):
        raise sources.wrong(name, takes)
    return text.rstrip("/")


def read_cors_origins(sources: Sources) -> tuple[str, ...]:
    """The origins whose pages may call us. Raises SettingsError."""
    text = sources.text("CORS_ORIGINS")
    origins = tuple(origin for part in text.split(",") if (origin := part.strip().rstrip("/").lower()))
    if not all(origin == "*" or re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", origin) for origin in origins):
        raise sources.wrong("CORS_ORIGINS", "origins like https://app.example.com separated by commas, or *")
    return origins


def read_trusted_proxies(sources: Sources) -> tuple[str, ...]:
    """The networks whose X-Forwarded-For and X-Forwarded-Proto are believed. Raises SettingsError."""
    networks = [part.strip() for part in sources.text("TRUSTED_PROXIES").split(",")]
    try:
        return tuple(str(ipaddress.ip_network(network, strict=False)) for network in networks if network)
    except ValueError:
        takes = "addresses and networks like 10.0.0.7, 192.168.0.0/16 or fd00::/8 separated by commas"
        raise sources.wrong("TRUSTED_PROXIES", takes) from None
