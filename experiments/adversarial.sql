WITH clean AS (
  SELECT * FROM attribution_view WHERE kind = 'feature' AND instr(label, '-pgd') = 0
    AND run = (SELECT max(r.id) FROM run r JOIN experiment x ON x.id = r.experiment WHERE x.name = 'adversarial')
)
SELECT clean.label AS explainer, substr(moved.label, length(clean.label) + 2) AS attack,
  round(avg(tensor_spearman(attribution_values(clean.id), attribution_values(moved.id))), 2) AS rank_correlation,
  round(avg(tensor_topk_iou(attribution_values(clean.id), attribution_values(moved.id), 10)), 2) AS top10_iou,
  round(avg(clean.output), 2) AS logit, round(avg(moved.output), 2) AS moved_logit
FROM clean JOIN attribution_view moved ON moved.run = clean.run AND moved.sample = clean.sample
  AND substr(moved.label, 1, length(clean.label) + 4) = clean.label || '-pgd'
GROUP BY clean.label, moved.label ORDER BY clean.label, moved.label
