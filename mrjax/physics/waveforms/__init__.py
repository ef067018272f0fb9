"""What engines share about RF and gradients that last."""
