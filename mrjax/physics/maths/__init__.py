"""Mathematics that engines share."""
