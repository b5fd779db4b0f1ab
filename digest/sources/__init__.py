"""Where articles come from: fetched safely, read in worker processes, cleaned, and stored once."""
