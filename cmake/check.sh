#!/usr/bin/env bash
# Installs what the tests need on Debian 12, builds everything and runs all tests: check.sh [PRESET...], by default
# `release`. One line a step; at the end ctest's closing line and the tests that were skipped. Some of them read
# configurations of other people, whose folder SHARDPLAN_CONF_DIR names in the environment of the first run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. cmake/install-packages.sh

install_packages g++ clang-14 libclang-rt-14-dev cmake ninja-build ccache git pkg-config \
  libyaml-cpp-dev libfmt-dev libcli11-dev nlohmann-json3-dev libeigen3-dev libxtensor-dev \
  zlib1g-dev libdeflate-dev doctest-dev librapidcheck-dev libbenchmark-dev

for preset in "${@:-release}"; do
  step "configure $preset" cmake --preset "$preset"
  step "build $preset" cmake --build --preset "$preset"
  step "test $preset" ctest --preset "$preset" --parallel "$(nproc)"
  # The closing line, and below it the tests that were skipped.
  grep -E 'tests passed|^[[:space:]]+[0-9]+ - .*\((Disabled|Skipped)\)$' <<<"$step_output"
done
