"""Pictures of trajectories: timelines and the ward."""
