-- For every measured suite of the run's subjects whose items share an n-gram with that subject's training rows:
-- each metric that is a mean of scores, over all items and over those that share nothing. Bits per byte is a sum
-- over a sum.
WITH chosen AS (
    SELECT s.subject, e.evaluation, e.suite
    FROM subjects s
    JOIN runs r USING (run_id)
    JOIN evaluations e USING (fingerprint)
    WHERE s.run_id = $run_id
    QUALIFY row_number() OVER (
        PARTITION BY s.subject, e.suite ORDER BY coalesce(e.scale = r.scale, false) DESC, e.created_at DESC
    ) = 1
), item AS (
    SELECT c.subject, x.sample_id, CAST(x.scores->>'touched' AS DOUBLE) = 1 AS touched
    FROM chosen c JOIN samples x USING (evaluation)
    WHERE c.suite = 'contamination'
), scored AS (
    SELECT c.subject, c.suite, m.metric, i.touched,
           CASE m.metric WHEN 'bits_per_byte' THEN CAST(x.scores->>'bits' AS DOUBLE)
                ELSE TRY_CAST(json_extract_string(x.scores, '$."' || m.metric || '"') AS DOUBLE) END AS score,
           CASE m.metric WHEN 'bits_per_byte' THEN CAST(x.scores->>'bytes' AS DOUBLE) ELSE 1 END AS weight
    FROM chosen c
    JOIN metrics m USING (evaluation)
    JOIN samples x USING (evaluation)
    JOIN item i ON i.subject = c.subject AND i.sample_id = c.suite || ': ' || x.sample_id
)
SELECT subject, suite, metric, count(*) AS items, count(*) FILTER (touched) AS touched,
       sum(score) / sum(weight) AS estimate,
       sum(score) FILTER (NOT touched) / sum(weight) FILTER (NOT touched) AS without
FROM scored
WHERE score IS NOT NULL
GROUP BY subject, suite, metric
HAVING count(*) FILTER (touched) > 0
ORDER BY suite, subject, metric;
