WITH share AS (
  SELECT run, explainer, name, mean_abs / sum(mean_abs) OVER (PARTITION BY run, explainer) AS share,
    rank() OVER (PARTITION BY run, explainer ORDER BY mean_abs DESC) AS place
  FROM feature_importance
  WHERE run IN (SELECT r.id FROM run r JOIN experiment x ON x.id = r.experiment WHERE x.name = 'shap_credit_backgrounds')
), each AS (
  SELECT name, explainer, max(place) AS worst, avg(share) AS mean, min(share) AS low, max(share) AS high
  FROM share GROUP BY name, explainer
)
SELECT name,
  max(printf('%.3f [%.3f, %.3f]', mean, low, high)) FILTER (WHERE explainer = 'kernel_shap') AS kernel_shap,
  max(printf('%.3f [%.3f, %.3f]', mean, low, high)) FILTER (WHERE explainer = 'permutation_shap') AS permutation_shap,
  max(printf('%.3f [%.3f, %.3f]', mean, low, high)) FILTER (WHERE explainer = 'lime') AS lime
FROM each GROUP BY name HAVING max(worst) <= 8 ORDER BY avg(mean) DESC
