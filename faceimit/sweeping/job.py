"""A trial as a job of a Hydra launcher: python -m faceimit.sweeping.job trial=FOLDER."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from faceimit.sweeping.launch import Process
from faceimit.sweeping.trials import read_trial
from faceimit.tracking.config import conf_dir


def run(config: DictConfig) -> None:
    """Train the trial, unless it has ended already or another process is at it."""
    Process(read_trial(Path(config.trial) / "trial.json")).wait()


def main() -> None:
    """Hydra's command line."""
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="sweep")(run)()


if __name__ == "__main__":
    main()
