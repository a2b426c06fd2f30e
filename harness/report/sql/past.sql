-- What a recipe's subjects, or one subject, scored in every run in one metric, oldest first; whole suites only.
SELECT r.run_id, r.started_at, r.commit_id, m.subject, m.suite, x.metric, m.evaluation, s.settings, x.estimate, x.low, x.high
FROM measured m
JOIN runs r USING (run_id)
JOIN subjects s ON s.run_id = m.run_id AND s.subject = m.subject
JOIN evaluations e ON e.evaluation = m.evaluation
JOIN metrics x ON x.evaluation = m.evaluation AND x.metric = $metric
WHERE (s.recipe = $name OR m.subject = $name) AND ($suite IS NULL OR m.suite = $suite) AND e.sample_limit IS NULL
ORDER BY r.run_id, m.suite, m.subject;
