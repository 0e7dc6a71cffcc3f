"""How the house is kept: what no linter says."""

import re
from pathlib import Path

from tests.grouping import GROUPS, group_of

ROOT = Path(__file__).parents[1]
LONGEST = 350
ROOMS = ("schema", "service", "actors", "client", "samples", "tests", "docs")


def test_files_do_one_job_each() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for room in ("schema", "service", "actors", "client")
        for kind in ("*.py", "*.lua")
        for file in (ROOT / room).rglob(kind)
    }
    assert len(lengths) > 200
    assert {file: lines for file, lines in lengths.items() if lines > LONGEST} == {}


def test_architecture_names_files_that_are_there() -> None:
    files = [f"/{file.relative_to(ROOT)}" for room in ROOMS for file in (ROOT / room).rglob("*") if file.is_file()]
    named = set(re.findall(r"[\w./*-]+\.(?:py|sql|lua|json|md)\b", (ROOT / "ARCHITECTURE.md").read_text()))
    assert len(named) > 100
    unknown = {name for name in named if not any(file.endswith(f"/{name}") for file in files)}
    assert {name for name in unknown if "*" not in name} == {"tasks_table.sql"}  # a name of the migration guide


def test_documents_link_to_files_that_are_there() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    linked = [
        (document, target)
        for document in documents
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)|src=\"([^\":]+)\"", document.read_text())
    ]
    assert len(linked) > 50
    gone = {
        f"{document.name}: {one or other}"
        for document, (one, other) in linked
        if not (document.parent / (one or other)).exists()
    }
    assert gone == set()


def test_groups_are_of_files_that_are_there() -> None:
    assert all((ROOT / "tests" / file).exists() for files in GROUPS.values() for file in files)
    assert group_of("tests/chaos/test_storm.py::test_one[a::b]") == "storms"
    assert group_of("tests/test_house.py::test_two") == "test_house.py"
