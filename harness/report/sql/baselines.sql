-- The blessed evaluations of the named baselines, subjects and suites; not those set after the run, which compared
-- with what stood there before.
WITH wanted AS (SELECT unnest($names) AS name, unnest($subjects) AS subject, unnest($suites) AS suite)
SELECT DISTINCT b.name, b.commit_id, b.set_at, b.subject, b.suite, md5(e.spec::VARCHAR->>'suite') AS asked, e.evaluation, e.scale, e.system_prompt,
       coalesce(e.samples, 0) AS sample_count,
       e.samples_available, e.sample_limit,
       (SELECT count(x.finish_reason) FROM samples x WHERE x.evaluation = e.evaluation) AS completions,
       (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation AND x.finish_reason = 'length') AS cut,
       (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation AND x.passages IS NOT NULL) AS looked_up,
       (SELECT count(x.found) FROM samples x WHERE x.evaluation = e.evaluation) AS findable,
       (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation AND x.found) AS found,
       e.seconds, e.tokens, e.peak_memory_bytes, e.energy_joules
FROM baselines b
JOIN wanted USING (name, subject, suite)
JOIN evaluations e ON e.evaluation = b.evaluation
WHERE b.set_at <= $ended
ORDER BY b.name, b.suite, b.subject;
