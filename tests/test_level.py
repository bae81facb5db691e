"""Decibels and back, for numbers, arrays and tensors, to the last digit of the formula; gains within their limits."""

import math

import numpy as np
import pytest
import torch

from intertone.harmonic.synthesis import MOST_GAIN_DB as OF_HARMONICS
from intertone.level import amplitude_to_db, db_to_amplitude, db_to_power, limited_gain, power_to_db
from intertone.morphing.levels import MOST_GAIN_DB as OF_MORPHS

DECIBELS = (-120.0, -6.0, 0.0, 3.0, 40.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_type_is_converted_in_its_own_precision_and_comes_back(dtype: torch.dtype) -> None:
    decibels = torch.tensor(DECIBELS, dtype=dtype)
    amplitude, power = db_to_amplitude(decibels), db_to_power(decibels)
    assert torch.equal(amplitude, 10 ** (decibels / 20)) and torch.equal(power, 10 ** (decibels / 10))
    assert torch.equal(amplitude_to_db(amplitude), 20 * torch.log10(amplitude)) and amplitude.dtype == dtype
    assert torch.allclose(amplitude_to_db(amplitude), decibels, atol=1e-4)
    assert torch.allclose(power_to_db(power), decibels, atol=1e-4)
    array = decibels.numpy()
    assert (
        db_to_power(array).dtype == array.dtype and (power_to_db(power.numpy()) == 10 * np.log10(power.numpy())).all()
    )
    assert np.allclose(amplitude_to_db(db_to_amplitude(array)), array, atol=1e-4)


def test_numbers_stay_numbers_and_gradients_pass() -> None:
    assert (db_to_amplitude(-6.0), db_to_power(-3.0)) == (10 ** (-6.0 / 20), 10 ** (-3.0 / 10))
    assert (amplitude_to_db(2.0), power_to_db(2.0)) == pytest.approx((20 * math.log10(2), 10 * math.log10(2)))
    gain = torch.tensor([2.0], requires_grad=True)
    amplitude_to_db(gain).sum().backward()
    assert gain.grad is not None and float(gain.grad) == pytest.approx(20 / math.log(10) / 2)


def test_gains_end_at_their_limits() -> None:
    assert limited_gain(100.0, OF_HARMONICS) == 4.0
    assert limited_gain(torch.tensor([0.5, 100.0]), OF_MORPHS).tolist() == pytest.approx([0.5, 10**1.2])
    assert limited_gain(3.9, OF_HARMONICS) == 3.9
