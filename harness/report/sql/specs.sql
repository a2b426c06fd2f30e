-- What some evaluations were made from and where, with the checkpoints that they measured.
SELECT evaluation, spec, fingerprint, device, dtype
FROM evaluations
WHERE list_contains($evaluations, evaluation);
