"""The HTTP tests' running APIs, and a way to speak to them byte by byte."""

from tests.service.http.conftest import (
    anonymous,
    api,
    db,
    http_settings,
    logs,
    new_user,
    strict_api,
    user,
)

__all__ = ["anonymous", "api", "db", "http_settings", "logs", "new_user", "strict_api", "user"]
