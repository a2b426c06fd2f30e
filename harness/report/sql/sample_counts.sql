-- How many sample ids each suite's named evaluations hold, and how many rows.
WITH wanted AS (SELECT unnest($evaluations) AS evaluation, unnest($suites) AS suite)
SELECT w.suite, count(DISTINCT s.sample_id) AS ids, count(*) AS rows
FROM samples s JOIN wanted w USING (evaluation)
GROUP BY w.suite;
