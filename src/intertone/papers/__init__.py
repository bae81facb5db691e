"""Papers, each replayed with this project's own code: settings in, tables and pictures out."""
