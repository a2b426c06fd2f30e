-- The newest evaluation of each of the run's subjects and suites, at the run's scale where there is one.
SELECT s.subject, e.evaluation, e.suite, e.scale, e.system_prompt,
       coalesce(e.samples, (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation)) AS samples
FROM subjects s
JOIN runs r USING (run_id)
JOIN evaluations e USING (fingerprint)
WHERE s.run_id = $run_id
QUALIFY row_number() OVER (
    PARTITION BY s.subject, e.suite
    ORDER BY coalesce(e.scale = r.scale, false) DESC, e.created_at DESC
) = 1
ORDER BY e.suite, s.subject;
