"""The headers of answers, for the document."""

from typing import Any

JSON = dict[str, Any]

REQUEST_ID = {"X-Request-Id": ("string", "The request's id: the one that was sent, or one made for it.", True)}
COUNTED = {
    "RateLimit-Limit": ("integer", "Requests a minute.", False),
    "RateLimit-Remaining": ("integer", "What is left of them.", False),
    "RateLimit-Reset": ("integer", "Seconds until there are more.", False),
}
"""On what is counted, while Redis is there to count."""
LATER = {"Retry-After": ("integer", "Seconds after which the same request may succeed.", True)}
SIGN_IN = {"WWW-Authenticate": ("string", "How to sign in: with a bearer token.", True)}
OF_PROBLEMS = {"401": SIGN_IN, "429": LATER, "503": LATER}

PLACE = {"Location": ("string", "Where the task is.", True)}
WAITED = {"Preference-Applied": ("string", "`wait=N`, when `Prefer` asked for it.", False)}
REPLAYED = {"Idempotent-Replayed": ("string", "`true`: an earlier request had made this already.", True)}
SUBMITTED = {"201": PLACE | WAITED, "200": PLACE | WAITED | REPLAYED}
PLACE_OF_BATCH = {"Location": ("string", "Where the batch is.", True)}
COOKIE = {"Set-Cookie": ("string", "The session, or its end.", True)}

TAG = {"ETag": ("string", "The file's SHA-256, in quotes.", True)}
CACHED = {
    **TAG,
    "Accept-Ranges": ("string", "`bytes`.", True),
    "Cache-Control": ("string", "A file never changes.", True),
    "Content-Disposition": ("string", "`inline`.", True),
}
RANGE = {"Content-Range": ("string", "Which bytes these are, and of how many.", True)}

OF_SUCCESS = {
    "create_task": SUBMITTED,
    "retry_task": SUBMITTED,
    "create_batch": {"201": PLACE_OF_BATCH, "200": PLACE_OF_BATCH | REPLAYED},
    "sign_in": {"201": COOKIE},
    "sign_out": {"204": COOKIE},
    "get_file": {"200": CACHED, "206": CACHED | RANGE, "304": CACHED, "416": CACHED | RANGE, "412": TAG},
}
"""By operation and status."""


def describe_headers(operation: JSON) -> None:
    """Write the headers of an operation's answers into it."""
    private = "401" in operation["responses"]
    for status, response in operation["responses"].items():
        is_problem = "application/problem+json" in response.get("content", {})
        headers = {
            **REQUEST_ID,
            **(COUNTED if private else {}),
            **(OF_PROBLEMS.get(status, {}) if is_problem else {}),
            **OF_SUCCESS.get(operation["operationId"], {}).get(status, {}),
        }
        response["headers"] = {
            name: {"description": words, "required": always, "schema": {"type": kind}}
            for name, (kind, words, always) in headers.items()
        }
