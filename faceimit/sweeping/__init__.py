"""Sweeps: W&B's sweep files read and checked, searched without a server, trials that survive a kill, rankings."""
