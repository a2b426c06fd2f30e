-- What answers without knowledge score, at one scale.
SELECT suite, metric, floor, value
FROM floors
WHERE scale = $scale
ORDER BY suite, metric, value;
