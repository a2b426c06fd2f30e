-- Every metric of the named evaluations.
SELECT evaluation, metric, estimate, low, high, n, method
FROM metrics
WHERE list_contains($evaluations, evaluation)
ORDER BY evaluation, metric;
