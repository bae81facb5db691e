"""Experiments of any paper: a plan, a store of results, figures and a write-up."""
