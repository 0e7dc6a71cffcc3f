"""What a log line looks like, whoever has put words into it."""

import json
import subprocess
import sys

import pytest

# Every way into a log: our event, our fields, an error of ours, another library's line with an error.
SPEAK = """
import logging, structlog, sys
from service.telling.logs import set_up_logs
evil = {evil!r}
set_up_logs({form!r})
log = structlog.get_logger("a")
log.info(evil, field=evil, others=[evil], raw=evil.encode("utf-8", "backslashreplace"), **{{"na" + evil: 1}})
try:
    raise ValueError(evil)
except ValueError:
    log.exception("failed", field=evil)
    logging.getLogger("library").exception("of %s", evil)
"""
EVIL = "\x1b[31mred\x00\x07\x7f\x9b1m\u2028\u202e\r\nforged line"


def lines(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SPEAK.format(form=form, evil=EVIL)], capture_output=True, check=True, timeout=60
    )
    return done.stderr.decode().split("\n")


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_line_holds_a_control_character(form: str) -> None:
    written = lines(form)
    assert sum("red" in line for line in written) >= 3
    for line in written:
        assert line.isprintable(), ascii(line)


def test_console_lines_are_only_ours() -> None:
    assert not any(line.startswith("forged") for line in lines("console"))


def test_json_is_an_object_a_line() -> None:
    entries = [json.loads(line) for line in lines("json") if line]
    assert len(entries) == 3
    assert entries[0]["field"] == "\\x1b[31mred\\x00\\x07\\x7f\\x9b1m\\u2028\\u202e\\r\\nforged line"
    assert [entry["level"] for entry in entries] == ["info", "error", "error"]
