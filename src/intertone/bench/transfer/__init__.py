"""The transfer bench: style transfer on pairs with a ground truth, beside what needs no optimisation."""
