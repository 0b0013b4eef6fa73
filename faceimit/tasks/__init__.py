"""LightningModules: losses, steps, optimisers, nothing else."""
