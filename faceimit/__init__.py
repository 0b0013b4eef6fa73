"""faceimit: humanoid robots imitate human facial expressions from the frames that matter."""

__version__ = "0.1.0"
