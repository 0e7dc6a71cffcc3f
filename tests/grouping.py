"""Which tests run one after the other in one process, beside those of the other processes.

A file's tests stay together: what a module starts is started once. xdist's own `loadgroup` does nothing under pytest 9.
"""

from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "engine": ("actors/engines/",),
    "clock": (
        "chaos/",
        "installing/test_switch_over.py",
        "journeys/",
        "security/test_slow_clients.py",
        "service/http/test_leaving.py",
        "service/http/test_limits.py",
        "service/http/test_readthrough.py",
        "service/http/test_wait.py",
        "service/legacy/adopting/test_adoption_alive.py",
        "service/legacy/test_whole_move.py",
    ),
}
"""Models are loaded once; whole stacks and whatever is told by a clock don't wait for each other. They are the longest
groups and come first: after them there must be enough left for the other processes."""


def group_of(test: str) -> str:
    """The group of a test's id, or its file."""
    file = test.partition("::")[0].removeprefix("tests/")
    return next((group for group, beginnings in GROUPS.items() if file.startswith(beginnings)), file)


def place_of(test: str) -> int:
    """When a test's group has its turn."""
    return [*GROUPS, group_of(test)].index(group_of(test))


class Groups(LoadScopeScheduling):
    """Deals out groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
