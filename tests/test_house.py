"""How the house is kept: what no linter says."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 350


def test_files_do_one_job_each() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for room in ("schema", "service", "actors")
        for kind in ("*.py", "*.lua")
        for file in (ROOT / room).rglob(kind)
    }
    assert len(lengths) > 200
    assert {file: lines for file, lines in lengths.items() if lines > LONGEST} == {}
