"""Tests in several processes, forked from the one that has collected them: what is imported is imported once.

Each takes groups of tests (`grouping.py`), one after the other, and tells the first process what became of them, which
reports it as if it had run them all itself. A test that is told by a clock, and failed beside others, is run once more
when nothing else runs, and that is said.
"""

import sys
import time
from collections import deque
from contextlib import suppress
from itertools import groupby
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from typing import Any, TypeAlias, cast

import pytest

from tests import stacks
from tests.forking import take_own_server
from tests.grouping import group_of, told_by_a_clock

Line: TypeAlias = "connection.Connection[Any, Any]"
Group = deque[int]
"""Tests, by their places among all that were collected."""

STARTS = "pytest_runtest_logstart"
REPORTS = "pytest_runtest_logreport"
FINISHES = "pytest_runtest_logfinish"
FREE = "free"
"""What is told: hooks of pytest's and what they are called with, and that a process may be given its next group."""

HANGS_AFTER = 600.0
"""Seconds in which a test has to end. One that doesn't is killed, and where it was is told."""

AGAIN = pytest.StashKey[list[str]]()
"""Tests that failed beside others, and were run again alone."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=int, default=1, help="run tests beside each other in so many processes")


def are_several(config: pytest.Config) -> bool:
    """Whether this run is to have processes for its tests."""
    return config.option.processes > 1 and not config.option.collectonly and sys.platform == "linux"


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """In several processes, where that is asked for and there is something to run; else pytest has its own loop."""
    if session.testsfailed or not are_several(session.config):
        return None
    crew = _Crew(session)
    try:
        crew.run(session.config.option.processes)
        crew.run_again_alone()
    finally:
        crew.dismiss()
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for test in config.stash.get(AGAIN, None) or ():
        terminalreporter.write_line(f"AGAIN {test}: told by a clock, it failed beside others, and was run again alone")


class _Hand:
    """A process, as the first one sees it."""

    def __init__(self, process: ForkProcess) -> None:
        self.process = process
        self.left: Group = deque()
        self.last = "tests"
        self.reports: list[pytest.TestReport] = []
        """Of the test that runs."""
        self.heard = time.monotonic()
        self.hung = ""
        """Where it was when it was found to hang."""


class _Crew:
    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._waiting = deque(_groups(session.items))
        self._hands: dict[Line, _Hand] = {}
        self._again: Group = deque()
        self._alone = False
        # Whoever needs it first would make one that the others know nothing of.
        session.config._tmp_path_factory.getbasetemp()  # pyright: ignore # noqa: SLF001, PGH003
        _plugin(session, "terminalreporter").showfspath = False  # tests of many files end beside each other

    def run(self, count: int) -> None:
        for _ in range(min(count, len(self._waiting))):
            self._take_on()
        while self._hands:
            for line in connection.wait(self._hands, timeout=HANGS_AFTER / 10):
                self._listen(cast("Line", line))
            for hand in self._hands.values():
                if not hand.hung and time.monotonic() - hand.heard > HANGS_AFTER:
                    hand.hung = f"It hung, here:\n{stacks.ask(cast('int', hand.process.pid))}"
                    hand.process.kill()
            if self._session.shouldfail or self._session.shouldstop:
                return

    def run_again_alone(self) -> None:
        """What is told by a clock, and failed beside others: a fault is one on a quiet machine as well."""
        if self._again:
            self._session.config.stash[AGAIN] = [self._session.items[place].nodeid for place in self._again]
            self._waiting.append(self._again)
            self._alone = True
            self.run(1)

    def dismiss(self) -> None:
        """Each ends its test, takes down what it has started, and goes."""
        for line in self._hands:
            line.close()
        for hand in self._hands.values():
            hand.process.join()

    def _take_on(self) -> None:
        fork = get_context("fork")
        ours, theirs = cast("tuple[Line, Line]", fork.Pipe())
        process = fork.Process(target=_work, args=(self._session, theirs, [ours, *self._hands]))
        process.start()
        theirs.close()
        self._hands[ours] = _Hand(process)

    def _listen(self, line: Line) -> None:
        hand = self._hands[line]
        hand.heard = time.monotonic()
        try:
            what, told = line.recv()
        except (EOFError, OSError):  # the latter in the middle of a message
            del self._hands[line]
            hand.process.join()
            self._look_after(hand)
            return
        if what == FREE:
            hand.left = self._waiting.popleft() if self._waiting else deque()
            with suppress(ConnectionError):  # it died meanwhile, which its line tells next
                line.send(list(hand.left))
            return
        hook = self._session.config.hook
        if what == REPORTS:
            report = hook.pytest_report_from_serializable(config=self._session.config, data=told["report"])
            hand.reports.append(cast("pytest.TestReport", report))
            return
        if what == FINISHES:
            self._finish(hand)
        getattr(hook, what)(**told)

    def _finish(self, hand: _Hand) -> None:
        """Report a test that has ended, unless it is to have another go."""
        place, reports, hand.reports = hand.left.popleft(), hand.reports, []
        hand.last = self._session.items[place].nodeid
        if not self._alone and told_by_a_clock(hand.last) and any(report.failed for report in reports):
            self._again.append(place)
            return
        for report in reports:
            self._session.config.hook.pytest_runtest_logreport(report=report)

    def _look_after(self, hand: _Hand) -> None:
        """A process has ended; of one that has died, the test is told, and the others of its group are run anew."""
        code = hand.process.exitcode
        if hand.left:
            item = self._session.items[hand.left.popleft()]
            hand.reports = []
            message = f"The process that ran this test ended, with exit code {code}"
            self._blame(item.nodeid, item.location, f"{message}\n{hand.hung}".strip())
            if hand.left:
                self._waiting.appendleft(hand.left)
            if self._waiting:
                self._take_on()
        elif code != 0:
            message = f"The process that ran this test last ended with exit code {code}; why is told above"
            self._blame(hand.last, (hand.last, None, ""), message)

    def _blame(self, test: str, location: tuple[str, int | None, str], message: str) -> None:
        report = pytest.TestReport(test, location, {}, "failed", message, "call")
        self._session.config.hook.pytest_runtest_logreport(report=report)


def _groups(items: list[pytest.Item]) -> list[Group]:
    """In the order in which the first of each was collected."""
    places = sorted(range(len(items)), key=lambda place: group_of(items[place].nodeid))
    grouped = groupby(places, key=lambda place: group_of(items[place].nodeid))
    return sorted((deque(members) for _, members in grouped), key=lambda group: group[0])


def _work(session: pytest.Session, line: Line, others: list[Line]) -> None:
    """What a process does, to its end."""
    for other in others:
        other.close()  # so that whoever is at its other end sees when the first process closes it, or dies
    capturing = _plugin(session, "capturemanager")
    capturing.stop_global_capturing()
    capturing.start_global_capturing()  # into files of its own
    capturing.suspend_global_capture()
    take_own_server()
    stacks.tell_when_asked()
    session.config.pluginmanager.unregister(name="terminalreporter")
    session.config.pluginmanager.register(_Teller(session.config, line))
    try:
        _run_groups(session, line)
    except (KeyboardInterrupt, EOFError, ConnectionError):
        sys.exit()
    finally:
        _plugin(session, "runner").pytest_sessionfinish(session)  # the rest of what tests have set up


def _run_groups(session: pytest.Session, line: Line) -> None:
    while True:
        line.send((FREE, {}))
        group: list[int] = line.recv()
        if not group:
            return
        # What only this group has set up goes with its last test: the session itself stands for a test of another one.
        following = [*(session.items[place] for place in group[1:]), session]
        for place, after in zip(group, following, strict=True):
            session.config.hook.pytest_runtest_protocol(item=session.items[place], nextitem=after)
            if line.poll() or session.shouldfail or session.shouldstop:
                return


def _plugin(session: pytest.Session, name: str) -> Any:
    """One of pytest's own."""
    plugin = session.config.pluginmanager.get_plugin(name)
    assert plugin is not None, name
    return plugin


class _Teller:
    """Tells the first process what pytest would tell whoever looks at it."""

    def __init__(self, config: pytest.Config, line: Line) -> None:
        self._config = config
        self._line = line

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._line.send((STARTS, {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        spelt_out = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._line.send((REPORTS, {"report": spelt_out}))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._line.send((FINISHES, {"nodeid": nodeid, "location": location}))
