"""What changed: between two films, along a series, and how sure that is."""
