"""Whatever the documents have people run says what it is for, and what it takes, instead of doing it."""

import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUN = re.compile(r"python3? (?:-m ((?:actors|service|tests|samples)[\w.]*)|(samples/\w+)\.py)")


def programs() -> list[Path]:
    """Files that the documents and the Makefile run."""
    documents = [ROOT / "Makefile", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("samples/*.md")]
    named = {
        (module or script).replace(".", "/")
        for document in documents
        for module, script in RUN.findall(document.read_text().replace("$(BIN)/", ""))
    }
    return sorted(ROOT / name / "__main__.py" if (ROOT / name).is_dir() else ROOT / f"{name}.py" for name in named)


@pytest.mark.parametrize("program", programs(), ids=lambda program: str(program.relative_to(ROOT)))
def test_a_program_helps(program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [str(program), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(program), run_name="__main__")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith("usage: ")
    assert len(told.split("\n\n")[1]) > 20, "it doesn't say what it is for"


def test_they_are_found() -> None:
    assert len(programs()) >= 15
