-- What some evaluations, and the checkpoints that they measured, were made from.
SELECT e.evaluation, e.spec, e.fingerprint
FROM evaluations e
WHERE list_contains($evaluations, e.evaluation);
