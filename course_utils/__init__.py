"""Fine-Tuning at Work: the small package behind the notebooks."""
