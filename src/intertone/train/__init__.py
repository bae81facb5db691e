"""Training: settings and notes in, a codec out."""

from intertone.train.batch import TrainingStoppedError
from intertone.train.loop import train_codec
from intertone.train.prepare import ImageChoiceConfig, prepare_images
from intertone.train.run_folder import Progress
from intertone.train.settings import ChoiceConfig, PairConfig, TrainConfig

__all__ = [
    "ChoiceConfig",
    "ImageChoiceConfig",
    "PairConfig",
    "Progress",
    "TrainConfig",
    "TrainingStoppedError",
    "prepare_images",
    "train_codec",
]
