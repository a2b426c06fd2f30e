-- Samples of the named evaluations, long texts cut here so that no answer of a megabyte leaves the file.
-- Of a large suite, a draw by the digest of the sample id, the same samples for every subject; first of all those
-- that a claim points at.
WITH wanted AS (
    SELECT unnest($evaluations) AS evaluation, unnest($suites) AS suite, unnest($most) AS most
), ids AS (
    SELECT DISTINCT w.suite, w.most, s.sample_id FROM samples s JOIN wanted w USING (evaluation)
), numbered AS (
    SELECT suite, most, sample_id, row_number() OVER (
               PARTITION BY suite
               ORDER BY NOT list_contains($pointed_at, sample_id), md5(sample_id), sample_id
           ) AS draw
    FROM ids
), drawn AS (
    SELECT w.evaluation, n.sample_id, n.draw FROM numbered n JOIN wanted w USING (suite) WHERE n.draw <= n.most
)
SELECT s.evaluation, s.sample_id, d.draw,
       left(s.prompt, $characters) AS prompt, length(s.prompt) AS prompt_characters,
       left(s.target, $characters) AS target, length(s.target) AS target_characters,
       left(s.completion, $characters) AS completion, length(s.completion) AS completion_characters,
       s.scores
FROM samples s JOIN drawn d USING (evaluation, sample_id)
ORDER BY s.evaluation, s.position NULLS LAST, s.sample_id;
