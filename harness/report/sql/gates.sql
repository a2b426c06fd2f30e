-- The claims judged on these weights, each as last judged, what needs attention first.
WITH entry AS (SELECT unnest($subjects) AS subject, unnest($fingerprints) AS fingerprint),
newest AS (
    SELECT DISTINCT ON (g.gate, CASE WHEN $each_setting THEN entry.fingerprint END) g.*, entry.fingerprint, other.fingerprint AS other_fingerprint
    FROM gates g
    LEFT JOIN subjects s ON s.run_id = g.run_id AND s.subject = g.subject
    LEFT JOIN subjects other ON other.run_id = g.run_id AND other.subject = g.reference
    LEFT JOIN entry ON entry.subject = s.subject AND entry.fingerprint = s.fingerprint
    WHERE list_contains($runs, g.run_id)
      AND (entry.subject IS NOT NULL OR s.subject IS NULL AND $recipes IS NULL)
    ORDER BY g.gate, CASE WHEN $each_setting THEN entry.fingerprint END, g.verdict = 'skipped', g.run_id DESC
)
SELECT gate, subject, fingerprint, reference, other_fingerprint, suite, metric, kind, claim, verdict, line, candidate, baseline, estimate, low, high,
       threshold, level, p_value, p_adjusted, family, n, samples_needed, method, loudest, message
FROM newest
ORDER BY list_position(['fail', 'inconclusive', 'pass', 'skipped'], verdict), gate;
