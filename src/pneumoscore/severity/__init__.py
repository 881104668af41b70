"""The score: scales, heads, models, intervals, maps and the quality gate."""
