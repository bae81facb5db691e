"""The transfer bench: style transfer on pairs with a known ground truth, compared with simple baselines."""
