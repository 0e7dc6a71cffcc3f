"""Which tests run one after the other in one process, beside those of other processes, and which of them come first.

A file's tests stay together: what a module starts is started once.
"""

GROUPS = {
    "people": ("actors/engines/head/", "actors/engines/posing/"),
    "backgrounds": tuple(f"actors/engines/test_{name}.py" for name in ("background", "edit_command", "local_engine")),
    "storms": ("chaos/test_remote_storm.py", "chaos/test_rolling_restart.py", "chaos/test_storm.py"),
    "stacks": ("journeys/test_runninghub.py", "journeys/test_stack.py", "journeys/test_stack_client.py"),
    "browsers": ("journeys/",),
    "walk": ("chaos/test_schema_walk.py",),
    "workflows": ("actors/engines/workflows/",),
    "engines": ("actors/engines/",),
    "chaos": ("chaos/",),
    "clock": (
        "installing/test_switch_over.py",
        "security/test_slow_clients.py",
        "service/http/test_leaving.py",
        "service/http/test_limits.py",
        "service/http/test_readthrough.py",
        "service/http/test_wait.py",
        "service/legacy/adopting/test_adoption_alive.py",
        "service/legacy/test_interruptions.py",
        "service/legacy/test_whole_move.py",
    ),
    "http": ("service/http/",),
}
"""Models are loaded three times, the HTTP tests' APIs once; whole stacks, and whatever is told by a clock, aren't in
each other's way. These groups are the longest and come first: after them there is enough left for all processes."""

LONG = (
    "actors/test_sparing.py",
    "service/embedded/",
    "service/health/",
    "service/cli/",
    "service/legacy/",
    "quality/",
    "installing/",
    "legacy/",
)
"""Files whose turn comes next: those that take more than ten seconds. The others make the ends meet."""


CLOCKED = (
    *GROUPS["clock"],
    "actors/test_broker.py",
    "actors/test_editor.py",
    "actors/test_leadership.py",
    "chaos/test_few_connections.py",
    "chaos/test_storage_faults.py",
    "security/test_bounds.py",
    "security/test_tokens.py",
    "service/files/test_urls.py",
    "service/http/test_auth.py",
    "service/http/test_crowd.py",
    "service/tasks/",
    "service/test_redis_states.py",
    "service/test_stopping.py",
)
"""What is promised within a time is looked for in it, which takes a machine that has nothing else to do."""


def told_by_a_clock(test: str) -> bool:
    return _file(test).startswith(CLOCKED)


def group_of(test: str) -> str:
    """The group of a test's id, or its file."""
    file = _file(test)
    return next((group for group, beginnings in GROUPS.items() if file.startswith(beginnings)), file)


def place_of(test: str) -> int:
    """When a test's group has its turn."""
    order = [*GROUPS.values(), *((long,) for long in LONG)]
    return next((place for place, its in enumerate(order) if _file(test).startswith(its)), len(order))


def _file(test: str) -> str:
    return test.partition("::")[0].removeprefix("tests/")
