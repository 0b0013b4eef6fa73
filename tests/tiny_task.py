"""The smallest task that trains on windows of clips and is validated on whole ones."""

import pytorch_lightning as pl
import torch


class TinyTask(pl.LightningModule):
    metrics = ("val/loss", "test/loss")
    monitor = ("val/loss", "min")

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 1)

    def loss(self, batch):
        """Of the score predicted from the mean colour of each frame; batch as of faceimit.data.datamodule."""
        colour = batch["frames"].float().mean(dim=(-2, -1)) / 255  # (B, T, 3)
        error = (self.line(colour)[..., 0] - batch["score"]).square()
        return error[batch["valid"]].mean()

    def training_step(self, batch):
        return self.loss(batch)

    def validation_step(self, batch):
        self.log("val/loss", self.loss(batch), batch_size=1)

    def test_step(self, batch):
        self.log("test/loss", self.loss(batch), batch_size=1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
