-- For every named evaluation whose items share an n-gram with its subject's training rows: each metric that is a
-- mean of scores, over all items and over those that share nothing. Bits per byte is a sum over a sum.
WITH chosen AS (
    SELECT unnest($subjects) AS subject, unnest($suites) AS suite, unnest($evaluations) AS evaluation
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
    JOIN samples x USING (evaluation)
    JOIN item i ON i.subject = c.subject AND i.sample_id = c.suite || ': ' || x.sample_id
    JOIN metrics m ON m.evaluation = c.evaluation
    WHERE c.subject IN (SELECT subject FROM item WHERE touched)
)
SELECT subject, suite, metric, count(*) AS items, count(*) FILTER (touched) AS touched,
       sum(score) / sum(weight) AS estimate,
       sum(score) FILTER (NOT touched) / sum(weight) FILTER (NOT touched) AS without
FROM scored
WHERE score IS NOT NULL
GROUP BY subject, suite, metric
HAVING count(*) FILTER (touched) > 0
ORDER BY suite, subject, metric;
