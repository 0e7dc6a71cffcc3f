"""What RunningHub's codes, prompt tips and reasons mean: each a code of ours, and what follows from it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from actors.engines.workflows.driver import DriverError, Fate
from actors.engines.workflows.loose import list_of, object_of
from actors.engines.workflows.runninghub_api import HubAwayError, HubError
from actors.engines.workflows.saying import told
from schema.models.problems import FailureCode

_AUTH, _AWAY, _RESPONSE, _FAILED = (
    FailureCode.ENGINE_AUTH_FAILED,
    FailureCode.ENGINE_NOT_AVAILABLE,
    FailureCode.ENGINE_RESPONSE_ERROR,
    FailureCode.PROCESSING_FAILED,
)

OPERATORS = "The engine of this edit refuses its work at the moment. Tell whoever runs this server."
BUSY = "The engine of this edit is busy. The task waits for its turn."
LATER = "The engine of this edit can't be reached at the moment. Please try again later."
TOO_LARGE = "The photo is too large for the engine of this edit. Send a smaller one."
STOPPED = "The engine stopped the edit before it was done. Please try again."
MEMORY = "The engine ran out of memory. Please try again later, or with a smaller size."
SLOW = "The engine of this edit took too long to answer. Please try again later."
LOST = "The engine's answer was lost, and the edit may have been made there all the same. Please try again later."

CODES: Final[Mapping[int, tuple[Fate, FailureCode, str]]] = {
    301: (Fate.REFUSED, _RESPONSE, OPERATORS),
    380: (Fate.REFUSED, _AWAY, OPERATORS),
    415: (Fate.WAIT, _AWAY, BUSY),
    416: (Fate.REFUSED, _AWAY, OPERATORS),
    421: (Fate.WAIT, _AWAY, BUSY),
    433: (Fate.REFUSED, _RESPONSE, OPERATORS),
    500: (Fate.AWAY, _AWAY, LATER),
    801: (Fate.REFUSED, _AUTH, OPERATORS),
    802: (Fate.REFUSED, _AUTH, OPERATORS),
    803: (Fate.REFUSED, _RESPONSE, OPERATORS),
    806: (Fate.REFUSED, _AUTH, OPERATORS),
    808: (Fate.TRANSIENT, _RESPONSE, LATER),
    809: (Fate.FINAL, _RESPONSE, TOO_LARGE),
    811: (Fate.REFUSED, _AUTH, OPERATORS),
    812: (Fate.REFUSED, _AWAY, OPERATORS),
    814: (Fate.WAIT, _AWAY, BUSY),
}
"""By RunningHub's code: what follows, our code, and what the person is told. 416 and 812 are money that is gone."""


PLACES: Final = frozenset(code for code, (fate, *_) in CODES.items() if fate is Fate.WAIT)
"""Codes that say that there is no place now."""


def refused(error: HubError) -> DriverError:
    """What a refusal means; a code that nobody wrote down may pass."""
    fate, code, message = CODES.get(error.code, (Fate.TRANSIENT, _RESPONSE, LATER))
    return DriverError(fate, code, message, detail=str(error))


def away(error: HubAwayError, *, lost: bool = False) -> DriverError:
    """It didn't answer; `lost` if it may have started what it was asked to."""
    code, message = (FailureCode.ENGINE_TIMEOUT, SLOW) if error.late else (_AWAY, LATER)
    return DriverError(Fate.AWAY, code, LOST if lost else message, detail=str(error), lost=lost, unsent=not error.sent)


def failure_of(error: HubError) -> DriverError:
    """Why a task failed there, by its `failedReason`: an object, or that as JSON text, or nothing."""
    reason = _object(_object(error.data).get("failedReason"))
    said = str(reason.get("exception_message") or "").strip()
    node = str(reason.get("node_name") or reason.get("node_type") or "").strip()
    detail = f"{error}: {node}: {reason.get('exception_type', '')} {said}\n{reason.get('traceback', '')}".strip()
    if not said:
        return DriverError(Fate.TRANSIENT, _FAILED, STOPPED, detail=detail)
    if "out of memory" in f"{said} {reason.get('exception_type', '')}".lower().replace("outofmemory", "out of memory"):
        return DriverError(Fate.TRANSIENT, _FAILED, MEMORY, detail=detail)
    return DriverError(Fate.FINAL, _FAILED, told(node, said), detail=detail)


def wrong_nodes(prompt_tips: Any, output: str) -> DriverError | None:
    """An error if the tips of a create say that the node which saves the result won't run."""
    tips = _object(prompt_tips)
    valid, errors = tips.get("result") is not False, tips.get("node_errors")
    if valid and (not errors or output in map(str, list_of(tips.get("outputs_to_execute")))):
        return None
    return DriverError(Fate.REFUSED, _RESPONSE, OPERATORS, detail=f"the workflow is refused: {_short(errors or tips)}")


def _object(value: Any) -> dict[str, Any]:
    """A JSON object, given as such or as text; a mere text counts as a message, anything else as nothing."""
    if isinstance(value, str):
        text = value
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            value = text
        if isinstance(value, str):
            return {"exception_message": value}
    return object_of(value)


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:2000]
