-- Every checkpoint behind the run's subjects: their last ones and all the parents of those.
WITH RECURSIVE lineage(fingerprint) AS (
    SELECT fingerprint FROM subjects WHERE run_id = $run_id
    UNION
    SELECT c.parent FROM lineage l JOIN checkpoints c USING (fingerprint) WHERE c.parent IS NOT NULL
)
SELECT fingerprint, stage, parent, spec, trainable_parameters, total_parameters, training_rows,
       truncated_rows, rows_by_source, optimizer_steps, tokens, train_seconds, peak_memory_bytes, device, environment
FROM checkpoints SEMI JOIN lineage USING (fingerprint);
