"""Vocabulary of faces: blendshapes, landmarks, head pose and the typed records that carry them."""
