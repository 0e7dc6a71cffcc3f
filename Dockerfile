# syntax=docker/dockerfile:1
# One image for every process: `darkroom api`, `darkroom worker`, `darkroom migrate`.

FROM python:3.12-slim AS build

# The Makefile's.
ARG UV_VERSION=0.13.9
# Where packages and models come from, if not from the public index: --build-arg PIP_INDEX_URL=...; uv is told what pip
# is. A whole pip.conf, and certificates that it or PIP_CERT=/run/secrets/ca names, come as secrets, which stay in no
# layer: --secret id=pip_conf,src=pip.conf --secret id=ca,src=ca.pem
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_CERT

ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    VIRTUAL_ENV=/app/.venv \
    PATH="/app/.venv/bin:$PATH"
WORKDIR /app

# From what changes seldom to what changes often, so that a change of code downloads nothing again.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca \
    python -m venv "$VIRTUAL_ENV" \
    && python -m pip install --no-cache-dir "uv==${UV_VERSION}"
COPY requirements.lock pip_to_uv.py ./
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/uv \
    python pip_to_uv.py "$VIRTUAL_ENV/bin/uv" pip install --require-hashes --requirement requirements.lock

# The models, 208 MB to download: their list, and what fetches and checks them, are all that they depend on.
COPY actors/engines/local/models.py actors/engines/local/models.json /models/
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca \
    python /models/models.py

COPY pyproject.toml README.md LICENSE NOTICE.md ./
COPY schema schema
COPY actors actors
COPY service service
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca \
    --mount=type=cache,target=/root/.cache/uv \
    python pip_to_uv.py "$VIRTUAL_ENV/bin/uv" pip install --no-deps --editable . \
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
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/livez\", timeout=4)"]

# $PORT is the port where it is set, as hosts do.
CMD ["darkroom", "api", "--host", "0.0.0.0"]
