"""Drivers: what carries 30 control values to a robot, an avatar or a file; :func:`make_driver` makes them."""

from faceimit.robot.drivers.base import Driver
from faceimit.robot.drivers.registry import driver_names, make_driver

__all__ = ["Driver", "driver_names", "make_driver"]
