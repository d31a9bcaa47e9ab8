-- The store's views. They are dropped and made again by every migration: some of them use functions
-- and tables of ours, and ALTER TABLE reads all views.
--
-- run_summary, attribution_view and leaderboard are plain SQL and work in any SQLite; the rest
-- needs lunette_sqlite.so outside of lunette.

-- A run in one row. `metrics` is JSON, label -> value, of its metrics with one number: metrics ->>
-- 'accuracy'. `tags` is JSON too, `note` the newest note.
CREATE VIEW run_summary AS
SELECT r.id, r.uuid, x.name AS experiment, r.status, r.started_at, r.finished_at,
       round((julianday(r.finished_at) - julianday(r.started_at)) * 86400, 3) AS seconds,
       r.seed,
       (SELECT group_concat(m.name, ', ') FROM run_model rm JOIN model m ON m.id = rm.model
        WHERE rm.run = r.id) AS model,
       (SELECT count(*) FROM explanation e WHERE e.run = r.id) AS explanations,
       (SELECT count(*) FROM explanation e JOIN attribution a ON a.explanation = e.id
        WHERE e.run = r.id) AS attributions,
       -- By hand: SQLite 3.40 calls its JSON functions unsafe in views of an untrusted schema.
       (SELECT '{' || coalesce(group_concat(pair), '') || '}' FROM
           (SELECT '"' || replace(replace(m.label, '\', '\\'), '"', '\"') || '":' || m.value AS pair
            FROM metric m
            WHERE m.run = r.id AND m.scope = 'model' AND m.class IS NULL AND m.slice IS NULL
                  AND m.split IS NOT 'train'
                  AND abs(m.value) <= 1.7e308
            ORDER BY m.id)) AS metrics,
       r.numerics, r.threads, v.isa, v.host, r.invocation, r.script_sha256, r.parent_run,
       r.reproduces_run, r.error,
       (SELECT '{' || coalesce(group_concat(pair), '') || '}' FROM
           (SELECT '"' || t.key || '":"' || replace(replace(t.value, '\', '\\'), '"', '\"') || '"'
                   AS pair
            FROM tag t WHERE t.run = r.id ORDER BY t.key)) AS tags,
       (SELECT n.message FROM event n WHERE n.run = r.id AND n.level = 'note'
        ORDER BY n.id DESC LIMIT 1) AS note
FROM run r
JOIN experiment x ON x.id = r.experiment
LEFT JOIN environment v ON v.id = r.environment;

-- An attribution with what leads to it. `idx` is the sample's row in its data set; `run` the run's
-- id.
CREATE VIEW attribution_view AS
SELECT a.id, e.run, x.name AS experiment, a.explanation, e.label, e.explainer,
       a.sample, s.idx, s.label AS sample_label, a.target, p.class, p.score,
       a.kind, a.space, a.layer, a.unit, a.input, a.seq,
       a.output, a.baseline_output, a.total, a.residual, a.absorbed, a.min, a.max, a.l1,
       a.nan_count, a.status, a.reason, a.tensor, a.tensor_row, a.groups, a.error
FROM attribution a
JOIN explanation e ON e.id = a.explanation
JOIN run r ON r.id = e.run
JOIN experiment x ON x.id = r.experiment
LEFT JOIN sample s ON s.id = a.sample
LEFT JOIN prediction p ON p.run = e.run AND p.sample = a.sample;

-- How much each column (input, group, pixel) counts in an explanation, over its samples. `input` is the
-- model's input that it belongs to, where there are several.
CREATE VIEW feature_importance AS
SELECT e.run, e.id AS explanation, e.label, e.explainer,
       i.input, i.idx, i.name, i.mean_abs, i.mean, i.std, i.n
FROM explanation e
JOIN explanation_importance(e.id) i;

-- Who is best at what: runs by metric, explanations by judge, within an experiment. `place` counts
-- from 1 in the direction of the metric; equal values share a place.
CREATE VIEW leaderboard AS
SELECT x.name AS experiment, m.scope, m.label AS metric, m.split, m.class, m.slice,
       rank() OVER (PARTITION BY r.experiment, m.scope, m.label, m.split, m.class, m.slice
                    ORDER BY CASE m.higher_is_better WHEN 0 THEN m.value ELSE -m.value END)
           AS place,
       m.run, e.label, e.explainer, m.value, m.lower, m.upper, m.n, m.higher_is_better
FROM metric m
JOIN run r ON r.id = m.run
JOIN experiment x ON x.id = r.experiment
LEFT JOIN explanation e ON e.id = m.explanation
WHERE m.scope IN ('model', 'explanation') AND m.value IS NOT NULL AND m.split IS NOT 'train'
      AND m.higher_is_better IS NOT NULL;
