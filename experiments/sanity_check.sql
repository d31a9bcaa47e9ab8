WITH alike AS (
  SELECT e.seq, e.label AS explainer, m.params ->> 'layer' AS layer, m.params ->> 'order' AS forgets,
    m.params ->> 'similarity' AS similarity, m.value, m.id
  FROM metric m JOIN explanation e ON e.id = m.explanation
  WHERE m.name = 'parameter_randomisation' AND m.scope = 'explanation'
    AND m.run = (SELECT max(r.id) FROM run r JOIN experiment x ON x.id = r.experiment WHERE x.name = 'sanity_check')
)
SELECT explainer, layer,
  round(max(value) FILTER (WHERE forgets = 'top_down' AND similarity = 'spearman'), 2) AS cascading_ranks,
  round(max(value) FILTER (WHERE forgets = 'top_down' AND similarity = 'ssim'), 2) AS cascading_ssim,
  round(max(value) FILTER (WHERE forgets = 'independent' AND similarity = 'spearman'), 2) AS alone_ranks,
  round(max(value) FILTER (WHERE forgets = 'independent' AND similarity = 'ssim'), 2) AS alone_ssim
FROM alike GROUP BY explainer, layer ORDER BY seq, min(id)
