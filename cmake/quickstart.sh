#!/usr/bin/env bash
# From a bare Debian 12 to a plan: installs what the command line needs, builds it and nothing else, and prints the plan
# of Llama-3 70B on 512 Trainium ranks. Notices go to stderr, the plan to stdout. Arguments, if any, replace those of
# `shardplan`: cmake/quickstart.sh plan my.yaml --rank 0
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/cmake/install-packages.sh"

install_packages g++ cmake ninja-build libyaml-cpp-dev libfmt-dev libcli11-dev nlohmann-json3-dev \
  zlib1g-dev libdeflate-dev

build=$root/build/quickstart
make=(cmake --build "$build" --target shardplan_cli)
if [[ -x $build/bin/shardplan ]]; then
  # Says nothing when nothing has changed since the last time.
  output=$("${make[@]}" 2>&1) || { printf '%s\n' "$output" >&2; exit 1; }
else
  step "configure $build" cmake -S "$root" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release \
    -D SHARDPLAN_BUILD_TESTS=OFF -D SHARDPLAN_BUILD_BENCHMARKS=OFF
  step "build the command line" "${make[@]}"
fi

(($# > 0)) || set -- plan "$root/examples/configs/llama3_70b_trn1.yaml"
exec "$build/bin/shardplan" "$@"
