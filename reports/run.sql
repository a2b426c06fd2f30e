-- The run reported on: the named one, or the latest.
SELECT run_id, started_at, seconds, command, scale, devices, commit_id, trained, evaluated, environment
FROM runs
WHERE $run_id IS NULL OR run_id = $run_id
ORDER BY run_id DESC
LIMIT 1;
