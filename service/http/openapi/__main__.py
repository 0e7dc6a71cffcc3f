"""Prints the OpenAPI document, for whatever makes code of it: `python -m service.http.openapi`."""

import argparse
import sys

from service.http.app import create_app
from service.http.openapi.pages import encoded_document
from service.settings import load_settings

NOWHERE = {"DATABASE_URL": "postgresql://nobody:nothing@localhost/nowhere", "SECRET_KEY": "0" * 32}
"""The document is the same for every setting, and nothing is connected to."""


def main() -> None:
    """The document on standard output."""
    app = create_app(load_settings(NOWHERE, dotenv=None)).litestar
    sys.stdout.buffer.write(encoded_document(app) + b"\n")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
