"""What the service says no with. The HTTP face makes problem+json of it, the command line a line."""

from schema.models.problems import ProblemCode


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of the program
    """A request that can't be served as it is.

    `message` is a sentence for the person who sent it. `extra` are further members of the problem document,
    `retry_after` seconds after which the same request may succeed, `field` the input that is at fault.
    """

    def __init__(
        self,
        code: ProblemCode,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.extra = extra or {}

    def within(self, place: str) -> "Refused":
        """The same of an input that is part of another, which is at this place."""
        field = f"{place}.{self.field}" if self.field else None
        return Refused(self.code, self.message, field=field, retry_after=self.retry_after, extra=self.extra)


def invalid(field: str, message: str) -> Refused:
    """One input is wrong: `message` says what it takes."""
    return Refused(ProblemCode.INVALID_REQUEST, message, field=field)
