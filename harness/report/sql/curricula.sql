-- The lessons of each curriculum as last compared, in the order taught; whole, where any of its weights are asked for.
SELECT curriculum, size, place, lesson_place, subject, lesson, metric, score, low, high, since_taught, since_taught_low,
       since_taught_high, conclusion
FROM curricula c
WHERE list_contains($runs, run_id) AND ($recipes IS NULL OR EXISTS (
    SELECT 1 FROM curricula o JOIN subjects s ON s.run_id = o.run_id AND s.subject = o.subject
    WHERE o.run_id = c.run_id AND o.curriculum = c.curriculum AND o.size = c.size AND list_contains($recipes, s.recipe)))
QUALIFY run_id = max(run_id) OVER (PARTITION BY curriculum, size)
ORDER BY curriculum, size, place, lesson_place;
