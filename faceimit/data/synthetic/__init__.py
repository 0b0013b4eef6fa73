"""Rendered faces: our own parametric head, driven by blendshapes and pose, with exact flow and landmarks."""
