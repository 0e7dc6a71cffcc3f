"""Who the servers run as, and where they live when that account can't reach the data directory."""

import hashlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.embedded.errors import EmbeddedError

SYSTEM_HOMES = Path("/var/lib/darkroom")
_UNPRIVILEGED = ("nobody", "daemon")


@dataclass(frozen=True, slots=True)
class Account:
    """An account other than ours."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Home:
    """Where the servers' binaries and data are, and the account they run under (None: our own)."""

    path: Path
    account: Account | None

    def private(self, name: str) -> Path:
        """A directory in it that only the servers' account can enter, made if need be."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        return path


def choose_home(directory: Path) -> Home:
    """The servers' home for a data directory, which must exist: within it if their account can get there.

    PostgreSQL refuses to run as root, so root's servers run as `nobody`, who can't enter /root for instance. Then
    they live under /var/lib/darkroom. A home that exists is kept, whatever has become of permissions since: the
    data is there.

    Raises:
        EmbeddedError: there is no unprivileged account on this machine.
    """
    inside = directory / "servers"
    if os.geteuid() != 0:
        return _made(inside, None, mode=0o700)
    outside = home_outside(directory)
    for home in (inside, outside):
        if home.is_dir():
            return Home(home, _owner(home) or _unprivileged())
    account = _unprivileged()
    if can_run(account, "/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)):
        return _made(inside, account, mode=0o711)
    SYSTEM_HOMES.mkdir(mode=0o711, parents=True, exist_ok=True)
    return _made(outside, account, mode=0o711)


def home_outside(directory: Path) -> Path:
    """Where a data directory's servers live when their account can't get into it."""
    return SYSTEM_HOMES / hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]


def is_nameless() -> bool:
    """Whether the system has no name for our user id, as in a container that runs under any number."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return True
    return False


def named_account() -> Account:
    """Some account that has a name and isn't root. Raises EmbeddedError when there is none."""
    return _unprivileged()


def can_run(account: Account, *command: str) -> bool:
    """Whether a short command works for that account. Asked of the kernel: mode bits don't tell of ACLs or mounts."""
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            command,
            user=account.uid,
            group=account.gid,
            extra_groups=(),
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _made(path: Path, account: Account | None, *, mode: int) -> Home:
    path.mkdir(exist_ok=True)
    path.chmod(mode)  # not mkdir's mode: a strict umask would lock the servers out
    return Home(path, account)


def _unprivileged() -> Account:
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL doesn't run as root, and there is no account {' or '.join(_UNPRIVILEGED)} to run it under: "
        "start as an ordinary user, or set DATABASE_URL and REDIS_URL"
    )


def _owner(home: Path) -> Account | None:
    """Whose the data already is, for a stack that an ordinary user started before root did."""
    for path in (home / "postgres", home / "valkey"):
        if path.is_dir() and (status := path.stat()).st_uid != 0:
            try:
                name = pwd.getpwuid(status.st_uid).pw_name
            except KeyError:
                name = str(status.st_uid)
            return Account(name, status.st_uid, status.st_gid)
    return None
