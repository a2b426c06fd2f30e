-- What the named subjects scored in every run up to a moment, in one metric of each suite, oldest first.
WITH shown AS (SELECT unnest($suites) AS suite, unnest($metrics) AS metric, unnest($scales) AS scale)
SELECT r.run_id, r.started_at, r.commit_id, m.subject, m.suite, shown.metric, m.evaluation, s.settings,
       x.estimate, x.low, x.high
FROM measured m
JOIN runs r USING (run_id)
LEFT JOIN subjects s ON s.run_id = m.run_id AND s.subject = m.subject
JOIN shown ON shown.suite = m.suite
JOIN evaluations e ON e.evaluation = m.evaluation AND (shown.scale IS NULL OR e.scale = shown.scale)
JOIN metrics x ON x.evaluation = m.evaluation AND x.metric = shown.metric
WHERE list_contains($subjects, m.subject) AND r.run_id <= $newest
  AND e.sample_limit IS NOT DISTINCT FROM (SELECT sample_limit FROM runs WHERE run_id = $newest)
ORDER BY r.run_id, m.suite, m.subject;
