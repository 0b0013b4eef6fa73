"""Streaming: pictures of a face in, commands of a robot out, with the time of every stage. Knows no torch."""
