"""Films in: counted as they stream, read and scored apart, kept for a time."""
