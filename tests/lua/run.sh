#!/bin/sh
# run.sh LUNETTE [FILE ...]
#
# Tests of stdlib that are written in Lua (tests/lua/test_*.lua), run by the program itself. The last
# line is "N passed, M failed".
set -u
here=$(cd "$(dirname "$0")" && pwd)
program=$1
shift
[ $# -gt 0 ] || set -- "$here"/test_*.lua
unset LUNETTE_DB
exec "$program" test "$@"
