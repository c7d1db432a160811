# syntax=docker/dockerfile:1

# The same compiler as rust-toolchain.toml; the same Debian as the image below, so that the C library fits.
FROM rust:1.95.0-slim-trixie AS build
WORKDIR /build

# The allocator, jemalloc, is built by make, which the slim image lacks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*

# The dependencies alone, against empty crates: a layer that stays until a manifest or the lock file changes. (No cache
# mounts: on Railway they would have to name the service.)
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY backend/Cargo.toml backend/
COPY backend/foundation/Cargo.toml backend/foundation/
COPY backend/sandbox/Cargo.toml backend/sandbox/
COPY backend/storage/Cargo.toml backend/storage/
COPY pipeline/Cargo.toml pipeline/
RUN mkdir backend/src backend/foundation/src backend/sandbox/src backend/storage/src pipeline/src \
    && echo 'fn main() {}' > backend/src/main.rs \
    && touch backend/src/lib.rs backend/foundation/src/lib.rs backend/sandbox/src/lib.rs \
        backend/storage/src/lib.rs pipeline/src/lib.rs \
    && cargo build --release --locked --package backend

COPY .env.example ./
COPY prisma prisma
COPY pipeline/src pipeline/src
COPY backend/foundation/src backend/foundation/src
COPY backend/sandbox/src backend/sandbox/src
COPY backend/storage/src backend/storage/src
COPY backend/src backend/src
COPY backend/templates backend/templates
COPY data data
COPY scripts/stage-image.sh scripts/
COPY tests/railway tests/railway
# What `/health` shows where the platform does not say at run time which commit this is.
ARG GIT_SHA=""
# The sources may well be older than the empty crates that were built in their place: cargo goes by time.
RUN touch backend/src/main.rs backend/src/lib.rs backend/foundation/src/lib.rs backend/sandbox/src/lib.rs \
        backend/storage/src/lib.rs pipeline/src/lib.rs \
    && cargo build --release --locked --package backend \
    # The named points at which tests kill the process: a release has none.
    && ! grep --quiet CRASH_AT target/release/innovation \
    # Three quarters of the binary; what is left still names functions in a back-trace.
    && strip --strip-debug target/release/innovation \
    && scripts/stage-image.sh /stage target/release/innovation

FROM debian:trixie-slim
# OCR for scanned pages (OCR=auto), if the build asks for it: WITH_OCR=1, and one package a language.
ARG WITH_OCR=""
ARG OCR_PACKAGES=""
# hadolint ignore=DL3008,SC2086
RUN if [ -n "${WITH_OCR#0}" ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends tesseract-ocr tesseract-ocr-eng $OCR_PACKAGES \
        && rm -rf /var/lib/apt/lists/*; \
    fi
# The roots that model and documents are reached by.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /stage/ /
# The only folder that the service may write to. The user is a number, so that a platform can see it is not root.
RUN install -d -o 10001 -g 10001 -m 0750 /app/data/test-outputs
USER 10001:10001
WORKDIR /app
# Without keys a development machine listens on loopback alone, which nobody outside a container reaches.
ENV HOST=0.0.0.0
ENV APP_BASE_DIR=/app
# What is listened on where the platform says nothing else by PORT.
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 CMD ["innovation", "healthcheck"]
# No ENTRYPOINT: a platform's own command (`innovation migrate deploy`) stands in its place as it is.
CMD ["innovation", "serve"]
