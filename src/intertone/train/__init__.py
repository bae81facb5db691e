"""Training of codecs and classifiers on a note set or on prepared features."""

from intertone.train.batch import BatchSource, TrainingStoppedError
from intertone.train.fine_tuning import fine_tuning_settings
from intertone.train.loop import train_codec, train_model
from intertone.train.own_sounds import open_sounds
from intertone.train.prepare import FeatureChoiceConfig, prepare_features
from intertone.train.processes import Processes
from intertone.train.run import Progress, Run
from intertone.train.run_folder import Record, check_run_folder, load_trained
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
    "check_run_folder",
    "fine_tuning_settings",
    "load_trained",
    "open_sounds",
    "prepare_features",
    "train_codec",
    "train_model",
]
