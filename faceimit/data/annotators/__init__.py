"""Annotators: what a face shows in every frame of a video, and how a corpus is annotated on one machine or many."""
