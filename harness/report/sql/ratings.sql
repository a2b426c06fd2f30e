-- What people said of the answers that are shown: one row for each rating, of comparisons whose answers are all among them.
WITH shown AS (
    SELECT json_extract_string(spec, '$.answers') AS answers, any_value(evaluation) AS evaluation
    FROM evaluations WHERE list_contains($evaluations, evaluation) GROUP BY 1
)
SELECT r.comparison, r.suite, r.first, r.second, r.points, r.rater, r.sample_id, r.showing, r.value, r.number,
       r.on_left = r.first AS first_on_left, r.note, coalesce(s.cluster, r.sample_id) AS "group", s.prompt
FROM ratings r
JOIN shown a ON a.answers = r.first_answers
LEFT JOIN samples s ON s.evaluation = a.evaluation AND s.sample_id = r.sample_id
WHERE r.second_answers IS NULL OR r.second_answers IN (SELECT answers FROM shown)
ORDER BY r.suite, r.first, r.second, r.comparison, r.rater, r.rated_at;
