"""Tools for the replay of any paper: experiments, a store of results, figures and a write-up."""
