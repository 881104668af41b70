"""Patients over time, from the records: who may be shown, charts, films, what is new."""
