# syntax=docker/dockerfile:1
# One image for every process: `darkroom api`, `darkroom worker`, `darkroom migrate`.

FROM python:3.12-slim AS build

# The Makefile's.
ARG UV_VERSION=0.13.9
# A package index of your own, where the public one can't be reached: --build-arg
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    VIRTUAL_ENV=/app/.venv \
    PATH="/app/.venv/bin:$PATH"
WORKDIR /app

# From what changes seldom to what changes often, so that a change of code downloads nothing again.
RUN python -m venv "$VIRTUAL_ENV" \
    && python -m pip install --no-cache-dir "uv==${UV_VERSION}"
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --require-hashes --requirement requirements.lock

COPY pyproject.toml README.md LICENSE NOTICE.md ./
COPY schema schema
COPY actors actors
# Every model is checked against the sha256 in models.json.
RUN --mount=type=cache,target=/root/.cache/uv \
    python -m actors.engines.local.models

COPY service service
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --no-deps --editable . \
    && python -m compileall -q schema service actors


FROM python:3.12-slim

ENV PATH="/app/.venv/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_FORMAT=json \
    STORAGE_URL=file:///data/files

# A volume mounted on /data takes over the owner it finds here.
RUN groupadd --system --gid 10001 darkroom \
    && useradd --system --uid 10001 --gid darkroom --home-dir /data --shell /usr/sbin/nologin darkroom \
    && install --directory --owner darkroom --group darkroom --mode 0700 /data /data/files

COPY --from=build /app /app
USER 10001:10001
WORKDIR /data
EXPOSE 8000

# Whether the API answers; a worker is healthy as long as it runs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/livez', timeout=4)"]

CMD ["darkroom", "api", "--host", "0.0.0.0", "--port", "8000"]
