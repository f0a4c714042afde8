"""Auto-tuning: searches over the options of a run within a budget of rounds."""
