"""The callback in a real training: it writes the history and ends a trial that is not among the best."""

import json

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from faceimit.sweeping.early import SweepHistory
from faceimit.sweeping.history import HISTORY, STOPPED, read_history


class Falling(pl.LightningModule):
    """Its figure falls by 0.1 an epoch from `start`."""

    def __init__(self, start):
        super().__init__()
        self.start = start
        self.net = torch.nn.Linear(1, 1)

    def training_step(self, batch):
        return self.net(batch).sum()

    def validation_step(self, batch):
        value = self.start - 0.1 * self.current_epoch
        self.log("val/F1", value if value > 0 else float("nan"), batch_size=1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def fit(folder, start, epochs=5, **options):
    folder.mkdir(parents=True, exist_ok=True)
    callback = SweepHistory("val/F1", **({"maximize": True} | options))
    data = DataLoader(torch.zeros(2, 1))
    trainer = pl.Trainer(
        accelerator="cpu", default_root_dir=folder, max_epochs=epochs, callbacks=[callback], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=1,
    )  # fmt: skip
    trainer.fit(Falling(start), data, data)
    return read_history(folder)


def test_a_worse_trial_ends_at_the_band(tmp_path):
    rule = {"bands": [2, 4], "eta": 2, "strict": True}
    assert len(fit(tmp_path / "0000-a", 0.9, **rule)) == 5
    assert len(fit(tmp_path / "0001-b", 0.95, **rule)) == 5
    assert len(fit(tmp_path / "0002-c", 0.5, **rule)) == 2
    content = json.loads((tmp_path / "0002-c" / STOPPED).read_text())
    assert (content["validation"], content["value"]) == (2, pytest.approx(0.4))
    assert content["needed"] > 0.79
    assert not (tmp_path / "0001-b" / STOPPED).exists()
    # lower is better: the one with 0.5 is the best
    assert len(fit(tmp_path / "0003-d", 0.51, maximize=False, **rule)) == 5


def test_a_trial_that_goes_on_after_all_is_not_called_stopped(tmp_path):
    (tmp_path / "0000-a").mkdir()
    (tmp_path / "0000-a" / STOPPED).write_text("{}")  # judged, and killed before its last checkpoint was saved
    assert len(fit(tmp_path / "0000-a", 0.9, bands=[2], eta=2)) == 5
    assert not (tmp_path / "0000-a" / STOPPED).exists()


def test_without_bands_every_trial_runs_to_its_end_and_what_is_undefined_is_left_out(tmp_path):
    fit(tmp_path / "0000-a", 0.9)
    assert len(fit(tmp_path / "0001-b", 0.25)) == 3  # the rest is NaN
    assert (tmp_path / "0001-b" / HISTORY).read_text().startswith("step,value\n2,0.25")
