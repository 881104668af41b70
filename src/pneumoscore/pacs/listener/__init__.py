"""The listener: films in over the network, scored, results out."""
