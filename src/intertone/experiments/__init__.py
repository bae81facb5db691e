"""Tools that all papers share: training and evaluation of experiments, a store of results, figures and a write-up."""
