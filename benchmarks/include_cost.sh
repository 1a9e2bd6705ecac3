#!/usr/bin/env bash
# include_cost.sh [HEADER...]: what it costs a user to include a header (default <shardplan/shardplan.hpp>), beside
# <regex>: user seconds of `-c -O0`, median of 5 interleaved runs, and preprocessed lines, in g++ and in clang.
set -euo pipefail
include=$(cd "$(dirname "${BASH_SOURCE[0]}")/../include" && pwd)
headers=(regex "${@:-shardplan/shardplan.hpp}")
runs=5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

# unit COMPILER HEADER FLAG...: runs the compiler over a unit that includes HEADER and nothing else.
unit() { echo "#include <$2>" | "$1" -std=c++20 -I"$include" -x c++ "${@:3}" -; }

user_seconds() {
  local TIMEFORMAT=%U
  { time unit "$1" "$2" -c -O0 -o "$work/unit.o" 2>&3; } 3>&2 2>&1
}

median() { sort -n | sed -n "$((runs / 2 + 1))p"; }

printf '%-12s %-28s %8s %8s %8s\n' compiler header seconds ratio lines
for compiler in "$(command -v g++-12 || command -v g++)" "$(command -v clang++-14 || command -v clang++)"; do
  [[ -n $compiler ]] || continue
  for ((run = 0; run < runs; ++run)); do
    for i in "${!headers[@]}"; do user_seconds "$compiler" "${headers[i]}" >>"$work/$i"; done
  done
  peer=$(median <"$work/0")
  for i in "${!headers[@]}"; do
    seconds=$(median <"$work/$i")
    ratio=$(awk "BEGIN { printf \"%.2f\", $seconds / $peer }")
    lines=$(unit "$compiler" "${headers[i]}" -E -P | wc -l)
    printf '%-12s %-28s %8s %8s %8s\n' "$(basename "$compiler")" "<${headers[i]}>" "$seconds" "$ratio" "$lines"
    rm "$work/$i"
  done
done
