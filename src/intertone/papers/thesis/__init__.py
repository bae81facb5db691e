"""The 2023 thesis: its experiments, its published table and its page."""
