-- The lessons of each curriculum as last compared, in the order taught.
SELECT curriculum, size, place, lesson_place, subject, lesson, metric, score, low, high, since_taught, since_taught_low,
       since_taught_high, conclusion
FROM curricula
WHERE list_contains($runs, run_id) AND ($recipes IS NULL OR list_contains($recipes, lesson))
QUALIFY run_id = max(run_id) OVER (PARTITION BY curriculum, size)
ORDER BY curriculum, size, place, lesson_place;
