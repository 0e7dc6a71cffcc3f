"""How clients reach us: our own address, others' pages, the proxies in front."""

import ipaddress
import re

from service.settings.sources import Sources
from service.urls.splitting import NotAUrl, split_url

_PORTS = {"http": 80, "https": 443}


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
    # A query or a fragment, an empty one too, would swallow every path that is put behind it.
    more = len(url.hosts) > 1 or url.username is not None or "?" in text or "#" in text
    if more or url.scheme not in {"http", "https"} or not all(host.name for host in url.hosts):
        raise sources.wrong(name, takes)
    return text.rstrip("/")


def read_cors_origins(sources: Sources) -> tuple[str, ...]:
    """The origins whose pages may call us, as browsers spell them. Raises SettingsError."""
    name, takes = "CORS_ORIGINS", "origins like https://app.example.com separated by commas, or *"
    try:
        return tuple(_origin(text.lower()) for text in sources.several(name, takes))
    except NotAUrl:
        raise sources.wrong(name, takes) from None


def read_trusted_proxies(sources: Sources) -> tuple[str, ...]:
    """The networks whose X-Forwarded-For and X-Forwarded-Proto are believed. Raises SettingsError."""
    name = "TRUSTED_PROXIES"
    takes = "addresses and networks like 10.0.0.7, 192.168.0.0/16 or fd00::/8 separated by commas"
    networks = sources.several(name, takes)
    try:
        return tuple(str(ipaddress.ip_network(network, strict=False)) for network in networks)
    except ValueError:
        raise sources.wrong(name, takes) from None


def _origin(text: str) -> str:
    """Without the port that its scheme has anyway: no browser names that. Raises NotAUrl."""
    if text == "*":
        return text
    url = split_url(text)
    host, port = url.host.name, url.host.port
    # No user, path, query or fragment, and of an IPv6 address no other spelling than the browsers'.
    if not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?/*", text):
        raise NotAUrl("more or less than an origin")
    name = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{name}" + ("" if port in {None, _PORTS[url.scheme]} else f":{port}")
