"""Checks of data sets: functions on arrays that say how much there is, how well it covers, and what is wrong."""
