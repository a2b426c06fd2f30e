-- One score of every sample of some evaluations, and of a ratio the score below it, in the order asked.
SELECT evaluation, sample_id, cluster,
       coalesce(TRY_CAST(json_extract_string(scores, $top) AS DOUBLE), TRY_CAST(json_extract_string(scores, $top) AS BOOLEAN)::DOUBLE) AS top,
       TRY_CAST(json_extract_string(scores, $bottom) AS DOUBLE) AS bottom
FROM samples
WHERE list_contains($evaluations, evaluation)
ORDER BY evaluation, position, sample_id;
