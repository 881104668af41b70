"""Records of patients, films and scores in SQLite or PostgreSQL."""
