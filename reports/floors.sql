-- What answers without knowledge score, at the scale of the run.
SELECT suite, metric, floor, value
FROM floors
WHERE scale = $scale
ORDER BY suite, metric, value;
