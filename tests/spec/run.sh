#!/bin/sh
# run.sh LUNETTE [CASE ...]
#
# Spec tests: commands with the output and exit status that a user sees. A case is one file,
# tests/spec/cases/NAME.spec:
#
#     # what is promised
#     % script -qec true /dev/null          what the machine must be able to do; else the case is skipped
#     $ lunette check script.lua            commands, run in order by sh in an empty folder
#     --- file script.lua                   a file of that folder (also below folders: sub/x.lua)
#     return ...
#     --- stdout                            exactly this; a missing section: nothing at all
#     --- stderr contains                   each line occurs somewhere, in any order
#     --- stderr any                        not looked at
#     --- status 2                          of the last command; a missing section: 0
#
# `lunette` is the program given, REPO the repository, LUNETTE_DB is not set, standard input is empty.
set -u
here=$(cd "$(dirname "$0")" && pwd)
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$program" "$work/bin/lunette"
PATH=$work/bin:$PATH
REPO=$(cd "$here/../.." && pwd)
export PATH REPO
unset LUNETTE_DB
passed=0 failed=0

# Takes a case apart into $1/commands, $1/want.stdout ... and the files of $1/folder.
split() { # TO CASE
    mkdir -p "$1/folder"
    awk -v to="$1" '
        function start(path) { out = path; printf "" > out }
        /^--- / {
            out = ""
            if ($2 == "file") {
                path = to "/folder/" $3
                folder = path
                sub("/[^/]*$", "", folder)
                system("mkdir -p \"" folder "\"")
                start(path)
            } else if ($2 == "status") {
                print $3 > (to "/want.status")
            } else {
                print ($3 == "" ? "exact" : $3) > (to "/how." $2)
                start(to "/want." $2)
            }
            next
        }
        out != "" { print > out; next }
        /^\$ / { print substr($0, 3) > (to "/commands") }
        /^% / { print substr($0, 3) > (to "/needs") }
    ' "$2"
}

# Says on standard output how $1/got.STREAM differs from what is wanted; nothing where it does not.
compare() { # FOLDER STREAM
    how=exact
    [ ! -e "$1/how.$2" ] || how=$(cat "$1/how.$2")
    [ -e "$1/want.$2" ] || : >"$1/want.$2"
    case $how in
    any) ;;
    contains)
        while IFS= read -r line; do
            grep -qF -e "$line" "$1/got.$2" || echo "$2 lacks: $line"
        done <"$1/want.$2" >"$1/lacks"
        if [ -s "$1/lacks" ]; then
            cat "$1/lacks"
            sed 's/^/  found: /' "$1/got.$2"
        fi
        ;;
    *) cmp -s "$1/want.$2" "$1/got.$2" || diff -u "$1/want.$2" "$1/got.$2" | sed '1,2d' ;;
    esac
}

run_case() { # CASE
    name=$(basename "$1" .spec)
    case_folder=$work/$name
    split "$case_folder" "$1"
    if [ -e "$case_folder/needs" ] &&
        ! (cd "$case_folder/folder" && sh "$case_folder/needs") >/dev/null 2>&1 </dev/null; then
        echo "skipped $name: this machine cannot '$(cat "$case_folder/needs")'"
        rm -rf "$case_folder"
        return
    fi
    (cd "$case_folder/folder" && sh "$case_folder/commands") \
        >"$case_folder/got.stdout" 2>"$case_folder/got.stderr" </dev/null
    status=$?
    want=0
    [ ! -e "$case_folder/want.status" ] || want=$(cat "$case_folder/want.status")
    {
        [ "$status" = "$want" ] || echo "exit status $status, expected $want"
        compare "$case_folder" stdout
        compare "$case_folder" stderr
    } >"$case_folder/report"
    if [ -s "$case_folder/report" ]; then
        failed=$((failed + 1))
        echo "FAIL $name"
        sed 's/^/    /' "$case_folder/report"
    else
        passed=$((passed + 1))
    fi
    rm -rf "$case_folder"
}

[ $# -gt 0 ] || set -- "$here"/cases/*.spec

# Every SHARDS-th case from number SHARD on: what they say, then "passed failed" alone on a line.
run_shard() { # SHARD CASE ...
    shard=$1 number=0
    shift
    for case; do
        [ $((number % shards)) -ne "$shard" ] || run_case "$case"
        number=$((number + 1))
    done
    echo "$passed $failed"
}

# As many cases at once as there are processors, up to four.
shards=$(nproc)
[ "$shards" -le 4 ] || shards=4
shard=0
while [ "$shard" -lt "$shards" ]; do
    run_shard "$shard" "$@" >"$work/said.$shard" &
    shard=$((shard + 1))
done
wait
shard=0
while [ "$shard" -lt "$shards" ]; do
    sed '$d' "$work/said.$shard"
    counts=$(tail -n 1 "$work/said.$shard")
    passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
    shard=$((shard + 1))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
