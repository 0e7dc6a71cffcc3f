"""The engines: whatever makes the pictures, behind the seam that the actors know."""
