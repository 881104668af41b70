"""Patients over time: records, trajectories and their pictures."""
