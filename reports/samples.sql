-- Samples of the named evaluations, long texts cut here so that no answer of a megabyte leaves the file.
-- Of a large suite, a draw by the digest of the sample id: the same samples for every subject.
WITH chosen AS (
    SELECT s.*, s.rowid AS position,
           dense_rank() OVER (PARTITION BY e.suite ORDER BY md5(s.sample_id), s.sample_id) AS draw
    FROM samples s
    JOIN evaluations e USING (evaluation)
    WHERE list_contains($evaluations, s.evaluation)
)
SELECT evaluation, sample_id, draw,
       left(prompt, $characters) AS prompt, length(prompt) AS prompt_characters,
       left(target, $characters) AS target, length(target) AS target_characters,
       left(completion, $characters) AS completion, length(completion) AS completion_characters,
       scores
FROM chosen
WHERE draw <= $samples_per_suite
ORDER BY evaluation, position;
