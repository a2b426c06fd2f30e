-- Every checkpoint behind the named ones: themselves and all their parents.
WITH RECURSIVE lineage(fingerprint) AS (
    SELECT unnest($fingerprints)
    UNION
    SELECT c.parent FROM lineage l JOIN checkpoints c USING (fingerprint) WHERE c.parent IS NOT NULL
)
SELECT fingerprint, stage, parent, spec, trainable_parameters, total_parameters, training_rows, truncated_rows,
       rows_by_source, optimizer_steps, tokens, train_seconds, peak_memory_bytes, energy_joules, why, device, environment
FROM checkpoints SEMI JOIN lineage USING (fingerprint);
