"""What the experiments of any paper need: a plan, a store of results, figures and a write-up."""
