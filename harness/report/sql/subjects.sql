-- Of every subject the newest entry among the named runs, or where wanted the newest under each of its settings, newest
-- first; references (base, untrained) last.
WITH entry AS (
    SELECT DISTINCT ON (subject, CASE WHEN $each_setting THEN settings END)
           subject, recipe, variant, seed, hypothesis, settings, fingerprint, claims, weights, run_id
    FROM subjects
    WHERE list_contains($runs, run_id) AND ($recipes IS NULL OR list_contains($recipes, recipe))
    ORDER BY subject, CASE WHEN $each_setting THEN settings END, run_id DESC
)
SELECT * FROM entry
QUALIFY row_number() OVER (PARTITION BY subject, fingerprint ORDER BY run_id DESC) = 1
ORDER BY recipe IN ('base', 'untrained'), variant, recipe, subject, run_id DESC;
