"""Water in exchange with other pools."""
