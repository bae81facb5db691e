"""Training: settings and notes in, a codec out."""

from intertone.train.folder import Progress
from intertone.train.loop import TrainingStoppedError, train_codec
from intertone.train.settings import ChoiceConfig, TrainConfig

__all__ = ["ChoiceConfig", "Progress", "TrainConfig", "TrainingStoppedError", "train_codec"]
