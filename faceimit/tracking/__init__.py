"""Experiments: configuration, run folders, checkpoints, loggers, progress and result tables."""
