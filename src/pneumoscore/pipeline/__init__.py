"""Many files: finding them, scoring them in batches, and writing the results down."""
