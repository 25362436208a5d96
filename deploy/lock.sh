#!/bin/sh
# Write down which packages the image has, each with the hashes of its files: deploy/*.txt.
# Run it with the Python version of deploy/Dockerfile, after a change of pyproject.toml and now and
# then for updates: PYTHON=python3.11 deploy/lock.sh
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check 'pip-tools>=7.5,<8'

lock() {
    "$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --upgrade \
        --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
        --no-emit-options --no-annotate --resolver backtracking "$@"
}

lock --extra postgres --extra mcp --extra workers --extra otel --output-file deploy/requirements.txt pyproject.toml
# What makes a wheel of the bridge itself.
lock --only-build-deps --build-deps-for wheel --output-file deploy/requirements-build.txt pyproject.toml
