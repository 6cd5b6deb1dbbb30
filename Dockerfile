# syntax=docker/dockerfile:1
# Build: docker build --tag hematovision .
# Web server by default; the same image runs `hematovision worker`, `prepare`, `users …` and all else.
#
# The base is pinned by its tag. To pin it by its digest as well, so that the same bytes come every
# time, ask for it and write it behind both tags as @sha256:…
#   docker buildx imagetools inspect python:3.13-slim-trixie --format '{{.Manifest.Digest}}'
ARG PYTHON=3.13

FROM python:${PYTHON}-trixie AS build
# What is installed beside the plain program: `server,grpc` adds inference over gRPC (18 MB);
# `export` is for `hematovision model export` alone.
ARG EXTRAS=server
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY constraints.txt ./
RUN python -m venv --without-pip /opt/hematovision \
 && python -m venv tools \
 && tools/bin/pip install hatchling
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist .
RUN tools/bin/pip --python /opt/hematovision/bin/python install --no-compile \
      --constraint constraints.txt "$(echo dist/*.whl)[${EXTRAS}]"
COPY deploy/slim.py deploy/slim.py
RUN python deploy/slim.py /opt/hematovision

FROM python:${PYTHON}-slim-trixie
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="HematoVision" \
      org.opencontainers.image.description="Finds and names the white cells in a microscope photo of blood. For research use only." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"
# The user has a number that never changes, no shell and no home; the folders are what volumes begin
# as, so that these belong to it.
RUN groupadd --gid 10001 hematovision \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin hematovision \
 && install --directory --owner 10001 --group 10001 --mode 0700 /data /keys /shared /models
COPY --from=build /opt/hematovision /opt/hematovision
WORKDIR /srv/hematovision
COPY app.py ./
COPY deploy/gunicorn.conf.py deploy/platform.sh deploy/
# What Python compiles goes to /tmp: the image is read only, and smaller without. ONNX Runtime tells
# its maker nothing.
ENV PATH=/opt/hematovision/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONPYCACHEPREFIX=/tmp/pycache \
    ORT_DISABLE_TELEMETRY=1 \
    HEMATOVISION_DATA_FOLDER=/data \
    HEMATOVISION_HOST=0.0.0.0 \
    HEMATOVISION_PORT=5000
USER 10001:10001
VOLUME ["/data"]
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"HEMATOVISION_PORT\"]}/readyz', timeout=8)"]
CMD ["gunicorn", "--config", "deploy/gunicorn.conf.py", "app:app"]
