-- The claims the run judged, what needs attention first.
SELECT gate, subject, reference, suite, metric, claim, verdict, candidate, baseline, estimate, low, high,
       threshold, level, p_value, p_adjusted, n, samples_needed, method, message
FROM gates
WHERE run_id = $run_id
ORDER BY list_position(['fail', 'inconclusive', 'pass', 'skipped'], verdict), gate;
