#!/bin/sh
# build.sh MAIN PREFIX OUT [MODULE]: flags from the installed .pc file, wherever the prefix was moved to.
set -eu
module=${4:-shardplan}
export PKG_CONFIG_PATH="$2/share/pkgconfig"
# Word splitting is what pkg-config's answer is made for.
# shellcheck disable=SC2046
"${CXX:-c++}" -std=c++20 "$1" $(pkg-config --cflags --libs "$module") -o "$3"
