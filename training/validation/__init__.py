"""The rules on real series: scores, courses and laboratory values of public patients."""
