#!/bin/sh
# build.sh MAIN PREFIX OUT: nothing but an include folder.
set -eu
"${CXX:-c++}" -std=c++20 "$1" -I "$2/include" -o "$3"
