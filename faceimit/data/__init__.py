"""Video, faces, datasets: everything between a file on disk and a batch of face crops with their truth."""
