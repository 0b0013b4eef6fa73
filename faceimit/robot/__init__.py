"""Motion: robot profiles, controls from landmarks, rollouts, and pairing of recordings with their commands."""
