#!/usr/bin/env bash
# headers_pure.sh COMPILER INCLUDE_DIR LIST: whatever file the headers in LIST pull in is either one of INCLUDE_DIR or
# also pulled in by the standard headers that they name; so nothing third-party can hide.
set -euo pipefail
compiler=$1 include=$2 list=$3

# Files that the unit on stdin depends on, one a line.
dependencies() { "$compiler" -std=c++20 -M -I"$include" -x c++ - | tr -s ' \\' '\n\n' | grep '^/' | sort -u; }

mapfile -t headers <"$list"
standard=$(cd "$include" && grep -hE '^#include <[a-z_0-9]+>' "${headers[@]}" | sort -u)
ours=$(printf '#include <%s>\n' "${headers[@]}" | dependencies)
theirs=$(echo "$standard" | dependencies)
foreign=$(comm -23 <(echo "$ours") <(echo "$theirs") | grep -v "^$include/" || true)
if [[ -n $foreign ]]; then
  echo "pure headers pull in:"
  echo "$foreign"
  exit 1
fi
echo "${#headers[@]} pure headers need the standard library alone"
