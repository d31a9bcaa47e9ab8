#!/bin/sh
# writers.sh LUNETTE [PROCESSES [RUNS]]
#
# Many processes write one store at the same time, from the moment when there is none: PROCESSES (8)
# of them make RUNS (500) runs each, in a tenth as many `lunette run`. Afterwards all runs are there,
# none twice, each with all its attributions; nobody was told of a lock; the store passes verify.
set -u
lunette=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
processes=${2:-8}
runs=${3:-500}
each=$(((runs + 9) / 10)) # runs of one invocation
times=$(((runs + each - 1) / each))
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

cat >x.lua <<'EOF'
local seeds = {}
for i = 1, tonumber(arg[2]) do seeds[i] = 1000000 * tonumber(arg[1]) + i end
return experiment "many" {
  seed = sweep(seeds),
  inputs = npy "x.npy", model = network { input = { 3 }, dense { 4 }, relu, dense { 2 } },
  explain = { saliency, integrated_gradients { steps = 4 } }, judge = { sparseness },
}
EOF
# 4 rows of 3 numbers, float32.
{
    printf '\223NUMPY\001\000v\000%s' "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }"
    printf '%58s\n' ''
    printf '\000\000\200\077\000\000\000\100\000\000\100\100%.0s' 1 2 3 4
} >x.npy

one() { # PROCESS
    for invocation in $(seq "$times"); do
        "$lunette" run x.lua --db s.db --quiet --threads 1 -- "$(($1 * 1000 + invocation))" "$each" \
            2>>"$1.err" || echo "process $1, run $invocation: exit status $?" >>"$1.err"
    done
}
for process in $(seq "$processes"); do one "$process" & done
wait

bad=0
expect() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || { echo "FAIL $1: $3, expected $2"; bad=1; }
}
ask() { "$lunette" query --db s.db --format csv "$1" | tail -n 1; }
all=$((processes * times * each))
expect "messages" "" "$(cat ./*.err)"
expect "runs" "$all" "$(ask "SELECT count(*) AS n FROM run WHERE status = 'ok'")"
expect "different runs" "$all,$all,$all" \
    "$(ask "SELECT count(DISTINCT uuid) AS a, count(DISTINCT seed) AS b, count(*) AS c FROM run")"
expect "attributions" "$((8 * all))" "$(ask "SELECT count(*) AS n FROM attribution")"
expect "runs without all of theirs" 0 "$(ask "SELECT count(*) AS n FROM (SELECT r.id FROM run r
    LEFT JOIN explanation e ON e.run = r.id LEFT JOIN attribution a ON a.explanation = e.id
    GROUP BY r.id HAVING count(a.id) <> 8)")"
expect "verdicts" "$((10 * all))" "$(ask "SELECT count(*) AS n FROM metric WHERE name = 'sparseness'")"
expect "experiments, data sets, versions" "1,1,1" "$(ask "SELECT (SELECT count(*) FROM experiment) AS a,
    (SELECT count(*) FROM dataset) AS b, (SELECT count(DISTINCT version) = count(*) FROM schema_version) AS c")"
"$lunette" verify --db s.db >verified 2>&1 || { echo "FAIL verify:"; cat verified; bad=1; }
expect "files left" "s.db" "$(ls s.db*)"
[ $bad -eq 0 ] && echo "$processes processes wrote $all runs into one store: all there, none twice"
exit $bad
