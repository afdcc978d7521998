# A model behind HTTP: `docker build -t srmm .`, then docs/serving.md.
# Python and the packages of constraints.txt are those that the tests run with.
FROM python:3.11.14-slim-trixie AS base
# Whatever is written goes to /tmp, all that has to be writable; nothing is fetched by a model.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    OMP_WAIT_POLICY=passive \
    HOME=/tmp \
    LOGNAME=srmm \
    SRMM_CACHE=/tmp/srmm \
    MPLCONFIGDIR=/tmp/matplotlib \
    PATH=/opt/srmm/bin:$PATH

FROM base AS build
# PyTorch's own index of builds without CUDA. A mirror, or one with CUDA, takes its place.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Of pyproject.toml; a model of faces, sounds or HEIC pictures needs faces, speech, voices, heic.
ARG EXTRAS=serve,onnx
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/srmm
COPY constraints.txt ./
# Alone: that index has old versions of what PyTorch needs, which comes from PyPI below.
RUN pip install --no-deps -c constraints.txt --index-url "$TORCH_INDEX" torch
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install -c constraints.txt ".[$EXTRAS]"

FROM base AS service
COPY --from=build /opt/srmm /opt/srmm
# A number, so that Kubernetes can tell that it is not root; it owns nothing.
USER 10001:10001
EXPOSE 8000
# Whether it lives. The start takes as long as encoders take to load. No proxy is asked.
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["srmm"]
CMD ["serve", "/model", "--host", "0.0.0.0", "--port", "8000"]

# With the model inside: `docker build --target baked --build-arg MODEL=shoes -t shoes .`
FROM service AS baked
ARG MODEL=model
COPY ${MODEL} /model

# Without, which is what is built by default: the model is mounted at /model.
FROM service
