"""Making training pairs, training models and measuring them."""
