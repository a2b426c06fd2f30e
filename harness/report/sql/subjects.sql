-- Of every subject the newest entry among the named runs, references (base, untrained) last.
WITH entry AS (
    SELECT DISTINCT ON (subject) subject, recipe, variant, seed, hypothesis, settings, fingerprint
    FROM subjects
    WHERE list_contains($runs, run_id) AND ($recipes IS NULL OR list_contains($recipes, recipe))
    ORDER BY subject, run_id DESC
)
SELECT * FROM entry
ORDER BY recipe IN ('base', 'untrained'), variant, recipe, subject;
