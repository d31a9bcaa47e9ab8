#!/bin/sh
# kill.sh LUNETTE [TIMES [SEED]]
#
# kill -9 at TIMES (50) random moments of a run, all in one store. Each time: the store passes verify,
# the run is shown as interrupted, and what the progress bar said was finished is in the store.
set -u
lunette=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
times=${2:-50}
seed=${3:-1}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
count=20000 # rows that are explained

awk -v n=$count 'BEGIN {
    print "a,b,c,class"
    for (i = 0; i < n; i++) print i % 17 "," i % 29 "," (i * 7) % 31 "," (i * 7 % 31 > i % 17 ? "x" : "y")
}' >d.csv
cat >x.lua <<'EOF'
return experiment "killed" {
  data = csv "d.csv" { target = "class", split = { train = 0.5, test = 0.5 } },
  model = network { dense { 64 }, relu, dense { 2 } },
  train = { epochs = 1, batch = 512 },
  inputs = rows { take = 10000 },
  explain = { saliency, integrated_gradients { steps = 64 }, feature_ablation,
              integrated_gradients { steps = 32, as = "second" } },
  judge = { sparseness },
}
EOF

# Ends the run with its own process id: `script` gives it a terminal, so that it shows its progress.
cat >go.sh <<EOF
echo \$\$ >pid
exec "$lunette" run x.lua --db s.db
EOF

bad=0
ask() { "$lunette" query --db s.db --format csv "$1" | tail -n 1; }
# How long a whole run takes, for moments within it.
begun=$(date +%s%N)
script -qefc "sh go.sh" whole >/dev/null 2>&1
took=$((($(date +%s%N) - begun) / 1000000))
echo "an undisturbed run takes $took ms"
reported=0
for i in $(seq "$times"); do
    rm -f pid
    wait_ms=$(awk -v seed="$seed" -v i="$i" -v took=$took \
        'BEGIN { srand(seed * 1000 + i); rand(); print int(rand() * took) }')
    script -qfc "sh go.sh" said >/dev/null 2>&1 &
    terminal=$!
    while [ ! -s pid ]; do sleep 0.005; done
    sleep "$(awk -v ms="$wait_ms" 'BEGIN { print ms / 1000 }')"
    kill -9 "$(cat pid)" 2>/dev/null
    wait $terminal
    "$lunette" verify --db s.db >verified 2>&1 || { echo "FAIL kill $i: verify"; cat verified; bad=1; }
    # The last thing it said of every explanation: "[####] 37% killed: saliency".
    tr '\r' '\n' <said | sed -n 's/.*\] *\([0-9]*\)% killed: \([a-z_]*\).*/\2 \1/p' | grep -v training |
        awk '{ most[$1] = $2 } END { for (label in most) print label, most[label] }' >progress
    while read -r label percent; do
        reported=$((reported + 1))
        there=$(ask "SELECT count(a.id) AS n FROM explanation e JOIN attribution a ON a.explanation = e.id
            WHERE e.label = '$label' AND e.run = (SELECT max(id) FROM run)")
        [ "$((percent * 10000 / 100))" -le "$there" ] ||
            { echo "FAIL kill $i: $label said $percent% and has $there attributions"; bad=1; }
    done <progress
    state=$(ask "SELECT count(*) AS n FROM run WHERE status = 'running'")
    [ "$state" = 0 ] || { echo "FAIL kill $i: $state runs are shown as running"; bad=1; }
done
status=$(ask "SELECT group_concat(n || ' ' || status, ', ') AS s FROM
    (SELECT status, count(*) AS n FROM run GROUP BY status ORDER BY status)" | tr -d '"')
whole=$(ask "SELECT count(*) AS n FROM (SELECT e.id FROM explanation e JOIN attribution a ON a.explanation = e.id
    WHERE e.status = 'ok' GROUP BY e.id HAVING count(*) <> 10000)")
[ "$whole" = 0 ] || { echo "FAIL: $whole explanations are 'ok' without all of their attributions"; bad=1; }
verdicts=$(ask "SELECT (SELECT count(*) FROM attribution) - (SELECT count(*) FROM metric WHERE scope = 'attribution') AS n")
[ "$verdicts" = 0 ] || { echo "FAIL: $verdicts attributions lack their verdict"; bad=1; }
[ $bad -eq 0 ] && echo "$times kills: $status; $reported progress reports, all of them kept; verify passed each time"
exit $bad
