"""Where a task's end may be told: never an address inside our own network, on a user's behalf."""

from service.outbound.urls import NotAllowed, judge_url
from service.refusals import invalid

FIELD = "webhook_url"


def judge_webhook_url(url: str, *, allow_private: bool, field: str = FIELD) -> None:
    """Refuse what a webhook can't be sent to; where its name leads is judged when it is called.

    Raises:
        Refused: INVALID_REQUEST.
    """
    try:
        judge_url(url, allow_private=allow_private)
    except NotAllowed as error:
        raise invalid(field, str(error)) from None
