"""Training: settings and notes in, a codec out."""

from intertone.train.batch import BatchSource, TrainingStoppedError
from intertone.train.loop import train_codec, train_model
from intertone.train.prepare import FeatureChoiceConfig, prepare_features
from intertone.train.processes import Processes
from intertone.train.run import Progress, Run
from intertone.train.run_folder import Record, load_trained
from intertone.train.settings import ChoiceConfig, PairConfig, TrainConfig

__all__ = [
    "BatchSource",
    "ChoiceConfig",
    "FeatureChoiceConfig",
    "PairConfig",
    "Processes",
    "Progress",
    "Record",
    "Run",
    "TrainConfig",
    "TrainingStoppedError",
    "load_trained",
    "prepare_features",
    "train_codec",
    "train_model",
]
