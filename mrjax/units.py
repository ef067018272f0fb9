"""Units and constants."""
ms = 1e-3
