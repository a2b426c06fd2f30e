-- For every named evaluation whose items share an n-gram with its subject's training rows: each metric that is a
-- mean of scores, over all items and over those that share nothing. Bits per byte is a sum over a sum.
WITH chosen AS (
    SELECT unnest($subjects) AS subject, unnest($suites) AS suite, unnest($evaluations) AS evaluation
), found AS (  -- the contamination suite calls an item 'openbookqa: 12'
    SELECT c.subject, strpos(x.sample_id, ': ') AS colon, x.sample_id, (x.scores->>'touched')::DOUBLE = 1 AS touched
    FROM chosen c JOIN samples x USING (evaluation)
    WHERE c.suite = 'contamination'
), item AS MATERIALIZED (
    SELECT c.subject, c.suite, c.evaluation, substr(f.sample_id, f.colon + 2) AS sample_id, f.touched
    FROM found f JOIN chosen c ON c.subject = f.subject AND c.suite = left(f.sample_id, f.colon - 1)
    QUALIFY bool_or(f.touched) OVER (PARTITION BY c.evaluation, c.subject)
), scored AS (
    SELECT i.subject, i.suite, m.metric, i.touched,
           CASE m.metric WHEN 'bits_per_byte' THEN (x.scores->>'bits')::DOUBLE
                ELSE TRY_CAST(json_extract_string(x.scores, '$."' || m.metric || '"') AS DOUBLE) END AS score,
           CASE m.metric WHEN 'bits_per_byte' THEN (x.scores->>'bytes')::DOUBLE ELSE 1 END AS weight
    FROM item i
    JOIN samples x ON x.evaluation = i.evaluation AND x.sample_id = i.sample_id
    JOIN metrics m ON m.evaluation = i.evaluation
)
SELECT subject, suite, metric, count(*) AS items, count(*) FILTER (touched) AS touched,
       sum(score) / sum(weight) AS estimate,
       sum(score) FILTER (NOT touched) / sum(weight) FILTER (NOT touched) AS without
FROM scored
WHERE score IS NOT NULL
GROUP BY subject, suite, metric
HAVING count(*) FILTER (touched) > 0
ORDER BY suite, subject, metric;
