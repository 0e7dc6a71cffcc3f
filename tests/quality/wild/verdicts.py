"""What eyes said of outcomes: kept by trial and by the picture that was seen, so that none is believed of another."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from tests.quality.wild.outlines import LARGE

VERDICTS = Path(__file__).parent / "verdicts.json"

_BLOTCH = 0.01
"""What is smaller, in squares of the face's height, isn't seen."""

Verdict = Literal["sellable", "acceptable", "wrong", "garbage"]
"""The rubric of docs/quality.md."""

Verdicts = dict[str, dict[str, Verdict]]
"""For each mode and trial ("BACKGROUND_CHANGE 0a1b2c3d") what is said of each output, by its hash."""


class Row(Struct, frozen=True, omit_defaults=True):
    """One trial in the report; `verdict` is None where nobody has looked at just this outcome.

    `itself`: the head went back where it came from, which is no edit that anybody orders.
    """

    name: str
    mode: str
    expected: str
    outcome: str
    message: str | None
    seconds: float
    output: str | None
    measures: Mapping[str, float | None]
    verdict: Verdict | None = None
    itself: bool = False


class Numbers(Struct, frozen=True):
    """A mode in numbers. Shares are None where there is nothing to share, or not all has been looked at.

    `false_refusals`: of what should have been made; `usable` (sellable or acceptable) and `garbage`: of what was made;
    `untouched`: of the heads that went back where they came from, those that left nothing but thin seams; `misplaced`:
    what is otherwise than eyes said, as a share of what stays, in the mean of the outcomes whose outline is known;
    `large`: the share of these in which a piece of that is seen at first sight.
    """

    asked: int
    made: int
    refused: Mapping[str, int]
    false_refusals: float | None
    seen: int
    usable: float | None
    usable_of_asked: float | None
    sellable: float | None
    garbage: float | None
    untouched: float | None
    misplaced: float | None
    large: float | None
    seconds: float | None


def read_verdicts() -> Verdicts:
    """The verdicts that VERDICTS holds.

    Raises:
        msgspec.MsgspecError: it can't be understood.
    """
    return msgspec.json.decode(VERDICTS.read_bytes(), type=Verdicts) if VERDICTS.exists() else {}


def numbers(rows: Iterable[Row]) -> Numbers:
    """What `rows` of one mode come to."""
    rows = list(rows)
    back = [row for row in rows if row.itself and row.output is not None]
    rows = [row for row in rows if not row.itself]
    made = [row for row in rows if row.output is not None]
    seen = [row for row in made if row.verdict is not None]
    codes = sorted({row.outcome for row in rows if row.output is None})
    wanted = [row for row in rows if row.expected == "made"]
    whole = bool(made) and len(seen) == len(made)

    def share(*verdicts: Verdict) -> float | None:
        return sum(row.verdict in verdicts for row in made) / len(made) if whole else None

    placed = [row.measures for row in made if row.measures.get("misplaced") is not None]
    usable = share("sellable", "acceptable")
    return Numbers(
        asked=len(rows),
        made=len(made),
        refused={code: sum(row.outcome == code for row in rows) for code in codes},
        false_refusals=sum(row.output is None for row in wanted) / len(wanted) if wanted else None,
        seen=len(seen),
        usable=usable,
        usable_of_asked=None if usable is None else usable * len(made) / len(rows),
        sellable=share("sellable"),
        garbage=share("garbage"),
        untouched=sum((row.measures["blotches"] or 0) < _BLOTCH for row in back) / len(back) if back else None,
        misplaced=sum(each["misplaced"] or 0 for each in placed) / len(placed) if placed else None,
        large=sum((each["largest"] or 0) > LARGE for each in placed) / len(placed) if placed else None,
        seconds=sum(row.seconds for row in rows) / len(rows) if rows else None,
    )
