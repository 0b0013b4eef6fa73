"""Which renderer draws, for who wants to know without loading it."""

# Part of the cache key: raise it whenever rendered clips change.
RENDERER_VERSION = 6
