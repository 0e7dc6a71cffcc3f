"""The version of Darkroom: what `darkroom --version` and OpenAPI tell, and what the package is called."""

VERSION = "1.0.0"
