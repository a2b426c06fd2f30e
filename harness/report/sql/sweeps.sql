-- The settings of each sweep as last compared, in the order declared.
SELECT subject, sweep, size, setting, axes, chosen_by, judged_by, own, winner, seeds, choosing, score, low, high, n,
       base, over_base, over_base_low, over_base_high, declared, over_declared, over_declared_low, over_declared_high,
       p_adjusted, against_declared, unfinished, optimism, conclusion
FROM sweeps
WHERE list_contains($runs, run_id) AND ($recipes IS NULL OR list_contains($recipes, sweep))
QUALIFY run_id = max(run_id) OVER (PARTITION BY sweep, size)
ORDER BY sweep, size, place;
