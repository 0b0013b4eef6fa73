"""Plain torch networks, one architecture a file."""
