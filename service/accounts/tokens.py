"""JSON Web Tokens: HS256, signed with SECRET_KEY, as the sign-in service beside Darkroom issues them too."""

from datetime import UTC, datetime, timedelta

import jwt
from msgspec import Struct

ALGORITHM = "HS256"
LIFETIME = timedelta(hours=1)
LEEWAY = timedelta(seconds=30)
"""By how much the clock of whoever issued a token may differ from ours."""


def issue_token(secret_keys: tuple[str, ...], user_id: str, *, lifetime: timedelta = LIFETIME) -> str:
    """A token for a user, signed with the first key."""
    now = datetime.now(UTC)
    return jwt.encode({"sub": user_id, "iat": now, "exp": now + lifetime}, secret_keys[0], algorithm=ALGORITHM)


class Claims(Struct, frozen=True):
    """Whose a token is, and until when it is good (Unix time)."""

    subject: str
    expires: float


def subject_of(token: str, secret_keys: tuple[str, ...]) -> str | None:
    """The user id of a valid token that hasn't expired, whichever key signed it; else None."""
    claims = claims_of(token, secret_keys)
    return claims and claims.subject


def claims_of(token: str, secret_keys: tuple[str, ...]) -> Claims | None:
    """What a valid token says that hasn't expired, whichever key signed it; else None."""
    for key in secret_keys:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                leeway=LEEWAY,
                options={"require": ["exp", "sub"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            continue
        subject = claims["sub"]
        # PyJWT takes "1800000000" and True for times as well; RFC 7519 knows numbers alone.
        times = [claims[name] for name in ("exp", "nbf") if name in claims]
        if isinstance(subject, str) and all(type(time) in {int, float} for time in times):
            return Claims(subject, claims["exp"])
        return None
    return None
