"""Score -> keyframes: local extremum search, offline and online, and the classical scores it is compared with."""
