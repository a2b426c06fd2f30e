-- The runs that can be reported on, newest first: the named one, or those since a moment, or all.
SELECT run_id, started_at, seconds, command, scale, devices, commit_id, trained, evaluated, sample_limit, interrupted,
       exact, better, environment
FROM runs
WHERE ($run_id IS NULL OR run_id = $run_id)
  AND ($since IS NULL OR started_at >= $since)
  AND ($recipes IS NULL OR run_id IN (SELECT run_id FROM subjects WHERE list_contains($recipes, recipe)))
ORDER BY run_id DESC;
