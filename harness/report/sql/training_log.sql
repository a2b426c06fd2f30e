-- The losses of the named checkpoints, step by step.
SELECT fingerprint, step, loss, eval_loss
FROM training_log
WHERE list_contains($fingerprints, fingerprint)
ORDER BY fingerprint, step;
