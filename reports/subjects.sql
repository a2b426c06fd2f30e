-- The subjects that the run used, references (base, untrained) last.
SELECT subject, recipe, variant, seed, hypothesis, settings, fingerprint
FROM subjects
WHERE run_id = $run_id
ORDER BY recipe IN ('base', 'untrained'), variant, recipe, subject;
