#!/usr/bin/env bash
# headers_alone.sh COMPILER INCLUDE_DIR LIST [SYSTEM_DIR...]: compiles each header that LIST names as if it were all
# there is, two at a time.
set -euo pipefail
compiler=$1 include=$2 list=$3
shift 3

export flags="-std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I$include"
# Not -isystem, which would move a folder that the compiler searches anyway to the front.
for folder; do [[ $folder == "$include" ]] || flags+=" -idirafter $folder"; done
export compiler
compile() { echo "#include <$1>" | "$compiler" $flags -x c++ - || { echo "<$1> does not compile alone"; return 1; }; }
export -f compile

"$compiler" --version | head -n 1
xargs -P 2 -I {} bash -c 'compile {}' <"$list"
echo "$(wc -l <"$list") headers compile alone"
