"""Annotate on the machines of a Ray cluster; videos, model file and store lie on a file system they share."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Generator, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from faceimit.data.annotators.job import Job, Outcome, do
from faceimit.data.annotators.protocol import AnnotatorSpec
from faceimit.errors import InputError

CONNECT_S = 10.0


def run_ray(
    jobs: Iterable[Job], store: Path, spec: AnnotatorSpec, workers: int | None
) -> Generator[Outcome, None, None]:
    """See :class:`faceimit.data.annotators.job.Engine`: on the cluster at ``RAY_ADDRESS``, else on a local one.

    Raises:
        InputError: Ray is not installed, or the cluster does not answer.
    """
    ray = _connected(workers)
    task = ray.remote(num_cpus=1, max_retries=0)(_do)
    most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting, flying = iter(jobs), dict[Any, Job]()
    try:
        while True:
            for job in islice(waiting, max(0, most - len(flying))):
                flying[task.remote(job, store, spec, sys.path)] = job
            if not flying:
                return
            ready, _ = ray.wait(list(flying))
            for reference in ready:
                yield _outcome(ray, reference, flying.pop(reference))
    finally:
        ray.shutdown()


def _do(job: Job, store: Path, spec: AnnotatorSpec, path: list[str]) -> Outcome:
    sys.path.extend(folder for folder in path if folder not in sys.path)  # where a plug-in may lie
    return do(job, store, spec)


def _connected(workers: int | None) -> Any:
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("Ray is not installed: pip install 'faceimit[cluster]'") from error
    address = os.environ.get("RAY_ADDRESS")
    _check_answers(address)
    own: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    terminate = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _no_cluster(address, error) from error
    except SystemExit:
        _take_back(terminate)
        signal.raise_signal(signal.SIGTERM)
        raise
    _take_back(terminate)
    return ray


def _take_back(terminate: Any) -> None:
    """Ray has put an exit of its own, which says nothing, in the place of what handled SIGTERM."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, terminate)


def _check_answers(address: str | None) -> None:
    """Ray itself tries a wrong HOST:PORT for minutes; other addresses (auto, local, ray://...) are left to it."""
    host, _, port = (address or "").rpartition(":")
    if not (host and port.isdecimal()) or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str | None, error: Exception) -> InputError:
    where = address or "this machine"
    return InputError(f"no Ray cluster answers at {where} ({error}), check RAY_ADDRESS and `ray status`")


def _outcome(ray: Any, reference: Any, job: Job) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = f"the Ray worker that read it ended ({type(error).__name__}): damaged file, memory or a library"
        return Outcome(job.source, "failed", reason)
