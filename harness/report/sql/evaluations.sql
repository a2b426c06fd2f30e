-- What the named runs used, of every subject with these weights and every suite the newest; one of the whole suite
-- before one of a part.
WITH entry AS (SELECT unnest($subjects) AS subject, unnest($fingerprints) AS fingerprint)
SELECT DISTINCT ON (m.subject, s.fingerprint, m.suite)
       m.subject, s.fingerprint, m.suite, md5(e.spec::VARCHAR->>'suite') AS asked, e.evaluation, e.scale, e.system_prompt,
       coalesce(e.samples, (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation)) AS sample_count,
       e.samples_available, e.sample_limit,
       (SELECT count(x.finish_reason) FROM samples x WHERE x.evaluation = e.evaluation) AS completions,
       (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation AND x.finish_reason = 'length') AS cut,
       (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation AND x.passages IS NOT NULL) AS looked_up,
       (SELECT count(x.found) FROM samples x WHERE x.evaluation = e.evaluation) AS findable,
       (SELECT count(*) FROM samples x WHERE x.evaluation = e.evaluation AND x.found) AS found,
       e.seconds, e.tokens, e.peak_memory_bytes, e.energy_joules
FROM measured m
JOIN subjects s ON s.run_id = m.run_id AND s.subject = m.subject
JOIN entry ON entry.subject = s.subject AND entry.fingerprint = s.fingerprint
JOIN evaluations e ON e.evaluation = m.evaluation
WHERE list_contains($runs, m.run_id)
ORDER BY m.subject, s.fingerprint, m.suite, e.sample_limit IS NOT NULL, m.run_id DESC;
