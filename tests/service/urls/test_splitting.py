"""URLs are taken apart alike on every Python, and what is none is refused."""

import re
import subprocess
from pathlib import Path

import pytest

from service.urls.splitting import Host, NotAUrl, split_hosts, split_url
from tests.pythons import EVERY_PYTHON

LISTS = ("a:5432,[::1]:6543", "[::1]", "a,b,c:1", "[fe80::1%25eth0]:1", "", "a:", "%2Frun%2Fpostgresql")


def test_a_url_is_taken_apart() -> None:
    url = split_url("Postgresql://a%40nn:p%C3%A4%3A1@one:5432,[::1]:6543/d%20b?x=1&y=%26#z")
    assert (url.scheme, url.username, url.password) == ("postgresql", "a@nn", "pä:1")
    assert url.hosts == (Host("one", 5432), Host("::1", 6543))
    assert (url.path, url.query, url.fragment) == ("/d%20b", (("x", "1"), ("y", "&")), "z")


def test_what_is_not_there_is_not_there() -> None:
    url = split_url("file:///x")
    assert (url.username, url.password, url.hosts, url.query, url.fragment) == (None, None, (Host(""),), (), None)


@pytest.mark.parametrize(
    "text",
    [
        "", "no url", "://h", "a://h\n", "a://h x", "a://[::1", "a://[::1]x", "a://[nonsense]:1", "a://[v1.x]:1",
        "a://h:70000", "a://h:0", "a://h:port", "a://h:-1", "a://h:\u0661", "a://x]y", "a://u:%ff@h", "a://\x7fh",
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(NotAUrl):
        split_url(text)


@pytest.mark.parametrize("python", EVERY_PYTHON, ids=lambda path: path.name)
def test_every_python_here_takes_hosts_apart_alike(python: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import types; m = types.ModuleType('msgspec')\n"
        "class Struct:\n"
        "    def __init_subclass__(cls, **_): pass\n"
        "    def __init__(self, *values): self.values = values\n"
        "m.Struct = Struct; sys.modules['msgspec'] = m\n"
        "from service.urls.splitting import split_hosts\n"
        "print([[host.values for host in split_hosts(text)] for text in sys.argv[2:]])\n"
    )
    root = Path(__file__).parents[3]
    answer = subprocess.run(
        [python, "-c", program, str(root), *LISTS], check=True, capture_output=True, text=True, cwd=root
    ).stdout
    assert answer.strip() == str([[(host.name, host.port) for host in split_hosts(text)] for text in LISTS])


def test_no_module_of_ours_asks_urllib_to_split() -> None:
    root = Path(__file__).parents[3]
    splitting = re.compile(r"\b(urlsplit|urlparse)\b")
    files = [path for room in ("schema", "service", "actors") for path in (root / room).rglob("*.py")]
    assert len(files) > 100
    assert [path.name for path in files if splitting.search(path.read_text())] == []
