"""Metrics: numpy functions first, torchmetrics classes after."""
